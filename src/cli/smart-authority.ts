#!/usr/bin/env node
import { Command } from 'commander'
import type { Authority } from '../authority/authority.ts'
import type { Where } from '../authority/context/authority-context.ts'
import type { OrderDocument } from '../authority/inventory/orders.ts'
import type { IssuedAuthorization } from '../authority/reservations/reservations.ts'
import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { addApiClientCommands } from './api-client-commands.ts'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { licensesLine } from './format-licenses.ts'
import { printJson, printText } from './output.ts'
import { addLicenseTransactions, addReportCommands } from './report-commands.ts'
import { addServeCommand } from './serve-command.ts'
import { asCommand, userName } from './audited-command.ts'
import { addAuditCommands } from './audit-commands.ts'
import { addNotificationCommands } from './notification-commands.ts'
import { addWebhookCommands } from './webhook-commands.ts'
import { addUserCommands } from './user-commands.ts'
import { addBackupCommands } from './backup-commands.ts'
import { addReviewCommands } from './review-commands.ts'
import { addTrustCommands } from './trust-commands.ts'
import { addTransferCommand } from './transfer-command.ts'
import { addSatelliteCommands, roadOf } from './satellite-commands.ts'
import type { ProxyOptions } from './proxy-settings.ts'
import { printTable } from './table.ts'

process.umask(0o077)
// An argument may be a token: the process list is not the place for it.
process.title = 'smart-authority'

const program = new Command('smart-authority')
  .description('The licensing authority: smart accounts, tokens, licences and product instances.')
  .option(
    '--data-dir <dir>',
    'where the authority keeps its data (default: $SMART_AUTHORITY_DATA_DIR or /var/lib/smart-authority)',
  )
  .option(
    '--database <url>',
    'the PostgreSQL database, postgres://…, that its data is in (default: the one named at `init`, or else a file of the data directory)',
  )
  .option('--account <domain>', 'the smart account, needed only with more than one')
  .option('--json', 'one JSON document on standard output')
  .version(VERSION)
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ writeErr: () => undefined })

const globals = () =>
  program.opts<{ dataDir?: string; database?: string; account?: string; json?: boolean }>()
const json = (): boolean => globals().json ?? false
const dataDir = (): string =>
  globals().dataDir ?? process.env.SMART_AUTHORITY_DATA_DIR ?? '/var/lib/smart-authority'

/** Given as an argument it may hold a password, which the environment keeps to this user. */
const database = (): string | undefined => globals().database ?? process.env.SMART_AUTHORITY_DATABASE

/** The command that was given. */
let running: Command | null = null
program.hook('preAction', (_, command) => {
  running = command
})

/** Opens the authority, does the one thing on behalf of whoever gave the command, closes it. */
async function withAuthority<T>(work: (authority: Authority, where: Where) => Promise<T> | T): Promise<T> {
  const { Authority } = await import('../authority/authority.ts')
  const authority = await Authority.open({ dataDir: dataDir(), database: database() })
  try {
    return await asCommand(authority, running, () => work(authority, { account: globals().account }))
  } finally {
    await authority.close()
  }
}

const cli: AuthorityCli = { json, dataDir, database, withAuthority }

program
  .command('init')
  .description('make the data directory of a new authority, with its first smart account: --account DOMAIN')
  .option('--role <role>', 'manager, or satellite', 'manager')
  .option('--accept-agreement', 'accept the licence agreement of the smart account')
  .option('--test', 'an authority that may be told to misbehave; its agents say so')
  .option('--name <name>', 'satellite: the name that it was added under at its manager')
  .option('--trust <file>', 'satellite: the root certificate of its manager; else the first answer brings it')
  .option('--manager <url>', 'satellite: the address of its manager; without one it synchronises by hand')
  .option(
    '--code-file <file>',
    'satellite: read the one-time code of `satellite add` from a file; - for standard input',
  )
  .option('--via <proxy>', 'satellite: reach the manager through a proxy, http[s]://HOST[:3128]')
  .option('--username <user>', 'satellite: user name for the proxy; the password is asked for')
  .option('--password-file <file>', 'satellite: read the password from a file')
  .action(async (options: InitOptions) => {
    const { account } = globals()
    if (account === undefined)
      throw new LicensingError('USAGE', 'The smart account is missing: --account DOMAIN.')
    const satellite = await satelliteOf(options)
    const { manager, name } = options
    const { Authority } = await import('../authority/authority.ts')
    await Authority.init({
      dataDir: dataDir(),
      account,
      acceptAgreement: options.acceptAgreement ?? false,
      test: options.test ?? false,
      database: database(),
      ...(satellite && { satellite }),
    })
    if (json()) printJson({ dataDir: dataDir(), account, role: options.role, ...(satellite && { name }) })
    else if (satellite)
      printText(
        `The satellite ${satellite.name} for ${account} is in ${dataDir()}. Register it: ${manager === undefined ? '`sync export FILE`, carry it to the manager, and `sync import` its answer' : '`sync now`'}.`,
      )
    else printText(`An authority for ${account} is in ${dataDir()}. Serve it with \`smart-authority serve\`.`)
  })

interface InitOptions extends ProxyOptions {
  role: string
  acceptAgreement?: boolean
  test?: boolean
  name?: string
  trust?: string
  manager?: string
  codeFile?: string
}

/** What a satellite is made of; undefined for a manager. @throws LicensingError USAGE, INVALID_ARGUMENT, FILE_UNREADABLE */
async function satelliteOf(options: InitOptions) {
  const { role, name, trust, manager, codeFile } = options
  if (role !== 'manager' && role !== 'satellite')
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `An authority is of the role manager or satellite, not ${JSON.stringify(role)}.`,
    )
  if (role === 'manager') {
    if (name !== undefined || trust !== undefined || manager !== undefined || codeFile !== undefined)
      throw new LicensingError(
        'USAGE',
        '--name, --trust, --manager and --code-file are for --role satellite.',
      )
    return undefined
  }
  if (name === undefined)
    throw new LicensingError('USAGE', 'The name of the satellite is missing: --name NAME.')
  if (manager !== undefined && trust === undefined)
    throw new LicensingError(
      'USAGE',
      'By wire the manager is known by its root certificate: --trust ROOT.pem, from `trust export` there.',
    )
  const { readNamedFile } = await import('./secrets.ts')
  return {
    name,
    ...(trust !== undefined && { trust: readNamedFile(trust) }),
    ...(manager !== undefined && { manager: await roadOf(manager, options) }),
    ...(codeFile !== undefined && {
      code: await readCode(
        'one-time code',
        codeFile === '-' ? '-' : undefined,
        codeFile === '-' ? undefined : codeFile,
      ),
    }),
  }
}

addServeCommand(program, cli)

addTrustCommands(program, cli)

const account = program.command('account').description('smart accounts')
account
  .command('add')
  .description('add a smart account')
  .argument('<domain>')
  .option('--accept-agreement', 'accept the licence agreement of the smart account')
  .action((domain: string, options: { acceptAgreement?: boolean }) =>
    withAuthority(async (authority) => {
      const added = await authority.accounts.add(domain, {
        acceptAgreement: options.acceptAgreement ?? false,
      })
      if (json()) printJson({ domain: added.domain })
      else printText(`The smart account ${added.domain} was added.`)
    }),
  )
account
  .command('list')
  .description('list the smart accounts')
  .action(() =>
    withAuthority(async (authority) => {
      const accounts = (await authority.accounts.list()).map(({ domain }) => ({ domain }))
      if (json()) printJson({ accounts })
      else
        await printTable(
          ['Smart account'],
          accounts.map(({ domain }) => [domain]),
        )
    }),
  )

const virtual = program.command('virtual-account').description('virtual accounts of a smart account')
virtual
  .command('list')
  .description('list them')
  .action(() =>
    withAuthority(async (authority, where) => {
      const virtualAccounts = (await authority.accounts.listVirtualAccounts(where)).map((one) => ({
        name: one.name,
        default: one.isDefault,
        satellite: one.satellite?.name ?? null,
        upstream: one.upstream,
      }))
      if (json()) printJson({ virtualAccounts })
      else
        await printTable(
          ['Virtual account', 'Default', 'Satellite'],
          virtualAccounts.map((one) => [one.name, one.default ? '*' : '', one.satellite ?? '']),
        )
    }),
  )
virtual
  .command('add')
  .description('add one')
  .argument('<name>')
  .option('--satellite <name>', 'give it to a satellite')
  .action((virtualAccount: string, options: { satellite?: string }) =>
    withAuthority(async (authority, where) => {
      const { satellite } = options
      if (satellite === undefined) await authority.accounts.addVirtualAccount(virtualAccount, where)
      else await authority.satellites.addVirtualAccount(satellite, virtualAccount, where)
      if (json()) printJson({ name: virtualAccount, satellite: satellite ?? null })
      else
        printText(
          `The virtual account ${virtualAccount} was added${satellite === undefined ? '' : `, for the satellite ${satellite}`}.`,
        )
    }),
  )
for (const [name, description, done] of [
  ['remove', 'remove an empty one', 'was removed'],
  ['default', 'make one the default', 'is the default now'],
] as const) {
  virtual
    .command(name)
    .description(description)
    .argument('<name>')
    .action((virtualAccount: string) =>
      withAuthority(async (authority, where) => {
        if (name === 'remove') await authority.accounts.removeVirtualAccount(virtualAccount, where)
        else await authority.accounts.setDefaultVirtualAccount(virtualAccount, where)
        if (json()) printJson({ name: virtualAccount })
        else printText(`The virtual account ${virtualAccount} ${done}.`)
      }),
    )
}

/** What was bought, in a line. */
function orderLine(order: OrderDocument): string {
  const what =
    order.tag === null ? `software version ${order.version ?? ''}` : `${order.quantity} of ${order.tag}`
  if (order.status !== 'fulfilled')
    return `${what}: order ${order.id} ${order.status === 'waiting' ? 'waits for a smart account' : 'is for a person to call about'}.`
  return `${what} ordered into ${order.virtualAccount ?? ''}${order.endsAt === null ? '' : `, until ${order.endsAt}`}.`
}

interface OrderOptions {
  sku?: string
  tag?: string
  quantity: string
  virtualAccount?: string
  term?: string
  buyer?: string
}

const order = program
  .command('order')
  .description('buy licences, and see what was bought')
  .addHelpText('after', '\n`order --sku …` and `order --tag …` place one: see `order place --help`.')
order
  .command('place', { isDefault: true })
  .description('buy licences into a virtual account; for a buyer without a smart account, --buyer')
  .option('--sku <sku>', 'SKU of the catalogue')
  .option('--tag <tag>', 'entitlement tag')
  .requiredOption('--quantity <n>', 'how many')
  .option('--virtual-account <name>', 'the virtual account; the default one unless named')
  .option('--term <days>', 'days the licences last; for ever unless given')
  .option('--buyer <address>', 'e-mail of a buyer who has no smart account yet')
  .action((options: OrderOptions) =>
    withAuthority(async (authority, where) => {
      const { sku, tag, virtualAccount, buyer } = options
      if (buyer !== undefined && virtualAccount !== undefined)
        throw new LicensingError(
          'USAGE',
          'A buyer without a smart account has no virtual account: give one of both.',
        )
      const wanted = {
        sku,
        tag,
        quantity: wholeNumber(options.quantity, 'quantity'),
        termDays: options.term === undefined ? undefined : wholeNumber(options.term, 'term'),
      }
      const placed =
        buyer === undefined
          ? await authority.orders.create({ ...where, virtualAccount, ...wanted })
          : await authority.orders.createForBuyer({ ...wanted, buyer })
      if (json()) printJson(placed)
      else printText(orderLine(placed))
    }),
  )
order
  .command('list')
  .description('what was bought, and what waits for a smart account')
  .action(() =>
    withAuthority(async (authority, where) => {
      const orders = await authority.orders.list(where)
      if (json()) printJson({ orders })
      else
        await printTable(
          ['Id', 'Placed', 'What', 'Status', 'Virtual account', 'Buyer', 'Reminders'],
          orders.map((one) => [
            one.id,
            one.placedAt,
            one.tag === null ? `version ${one.version ?? ''}` : `${one.quantity} of ${one.tag}`,
            one.status,
            one.virtualAccount ?? '-',
            one.buyer ?? '-',
            one.reminders,
          ]),
        )
    }),
  )
order
  .command('assign')
  .description('assign an order that waited to a virtual account')
  .argument('<id>')
  .option('--virtual-account <name>', 'the virtual account; the default one unless named')
  .action((id: string, options: { virtualAccount?: string }) =>
    withAuthority(async (authority, where) => {
      const assigned = await authority.orders.assign(id, { ...where, virtualAccount: options.virtualAccount })
      if (json()) printJson(assigned)
      else printText(orderLine(assigned))
    }),
  )

const mail = program.command('mail').description('where e-mail goes')
mail
  .command('folder')
  .description('into a folder, as .eml files')
  .argument('<folder>')
  .requiredOption('--from <address>', 'who it is from')
  .action((folder: string, options: { from: string }) =>
    withAuthority(async (authority) => {
      const path = await import('node:path')
      await authority.operations.mail.configure({
        kind: 'folder',
        from: options.from,
        folder: path.resolve(folder),
      })
      await showMail(authority)
    }),
  )
mail
  .command('smtp')
  .description('to an SMTP server: smtp://HOST:PORT or smtps://HOST:PORT')
  .argument('<url>')
  .requiredOption('--from <address>', 'who it is from')
  .option('--username <user>', 'user name for the server; the password is asked for')
  .option('--password-file <file>', 'read the password from a file')
  .action((url: string, options: { from: string; username?: string; passwordFile?: string }) =>
    withAuthority(async (authority) => {
      const { from, username, passwordFile } = options
      const { readSecret } = await import('./secrets.ts')
      const password =
        username === undefined
          ? undefined
          : (await readSecret({ file: passwordFile, what: 'password' })).replace(/\r?\n$/, '')
      await authority.operations.mail.configure({ kind: 'smtp', from, url, username, password })
      await showMail(authority)
    }),
  )
mail
  .command('show')
  .description('where it goes, and what waits to be sent')
  .action(() => withAuthority((authority) => showMail(authority)))
mail
  .command('send')
  .description('send what waits now')
  .action(() =>
    withAuthority(async (authority) => {
      const sent = await authority.operations.mail.send()
      if (json()) printJson({ sent })
      else printText(sent === 1 ? '1 mail was sent.' : `${sent} mails were sent.`)
    }),
  )

async function showMail(authority: Authority): Promise<void> {
  const shown = await authority.operations.mail.show()
  if (json()) {
    printJson(shown)
    return
  }
  const { settings, waiting, failure } = shown
  printText(
    [
      settings === null
        ? 'E-mail goes nowhere: set it with `mail folder` or `mail smtp`.'
        : settings.kind === 'folder'
          ? `from ${settings.from} into the folder ${settings.folder}`
          : `from ${settings.from} to ${settings.url}${settings.username === null ? '' : ` as ${settings.username}`}`,
      `${waiting} waiting${failure === null ? '' : `: ${failure}`}`,
    ].join('\n'),
  )
}

const token = program.command('token').description('registration tokens')
token
  .command('create')
  .description('create one; its text comes alone on the first line')
  .requiredOption('--days <n>', 'days it is valid, 1 to 365')
  .option('--virtual-account <name>', 'the virtual account; the default one unless named')
  .option('--max-uses <n>', 'how many instances it may register, 1 to 4000')
  .option('--description <text>', 'what it is for', '')
  .option('--export-controlled', 'allow export-controlled functionality on the products registered with it')
  .action(
    (options: {
      days: string
      virtualAccount?: string
      maxUses?: string
      description: string
      exportControlled?: boolean
    }) =>
      withAuthority(async (authority, where) => {
        const created = await authority.tokens.create({
          ...where,
          virtualAccount: options.virtualAccount,
          days: wholeNumber(options.days, 'number of days'),
          ...(options.maxUses !== undefined && { maxUses: wholeNumber(options.maxUses, 'number of uses') }),
          description: options.description,
          exportControlled: options.exportControlled ?? false,
        })
        if (json()) printJson(created)
        else
          printText(
            `${created.token}\nvalid until ${created.expiresAt}, ${created.maxUses} uses, for ${created.virtualAccount}`,
          )
      }),
  )
token
  .command('list')
  .description('list the tokens of the smart account')
  .action(() =>
    withAuthority(async (authority, where) => {
      const tokens = await authority.tokens.list(where)
      if (json()) printJson({ tokens })
      else {
        await printTable(
          [
            'Id',
            'Virtual account',
            'Status',
            'Expires',
            'Uses',
            'Export-controlled',
            'Description',
            'Created by',
          ],
          tokens.map((one) => [
            one.id,
            one.virtualAccount,
            one.status,
            one.expiresAt,
            `${one.uses} of ${one.maxUses}`,
            one.exportControlled ? 'allowed' : 'not allowed',
            one.description,
            one.createdBy ?? '-',
          ]),
        )
      }
    }),
  )
token
  .command('revoke')
  .description('revoke one; instances registered with it stay')
  .argument('<token-or-id>')
  .action((tokenOrId: string) =>
    withAuthority(async (authority, where) => {
      const revoked = await authority.tokens.revoke(tokenOrId, where)
      if (json()) printJson(revoked)
      else printText(`The token ${revoked.id} is revoked.`)
    }),
  )

const license = program.command('license').description('licences of the smart account')
license
  .command('list')
  .description('list what is owned and in use')
  .action(() =>
    withAuthority(async (authority, where) => {
      const licenses = await authority.licenses.list(where)
      if (json()) printJson({ licenses })
      else {
        await printTable(
          ['Virtual account', 'Tag', 'Name', 'Purchased', 'In use', 'Reserved', 'Balance', 'Status'],
          licenses.map((one) => [
            one.virtualAccount,
            one.tag,
            one.name,
            one.quantity,
            one.inUse,
            one.reserved,
            one.balance,
            one.status,
          ]),
        )
      }
    }),
  )

addTransferCommand(license, 'license', cli)
addLicenseTransactions(license, cli)

const instance = program.command('instance').description('product instances of the smart account')
instance
  .command('list')
  .description('list them')
  .action(() =>
    withAuthority(async (authority, where) => {
      const instances = await authority.instances.list(where)
      if (json()) printJson({ instances })
      else {
        await printTable(
          ['Id', 'Product', 'Serial', 'Virtual account', 'Satellite', 'Status', 'Last contact', 'Licences'],
          instances.map((one) => [
            one.id,
            one.udi.pid,
            one.udi.serial,
            one.virtualAccount,
            one.satellite ?? '',
            one.inReview ? `${one.status}, in review` : one.status,
            one.lastContactAt ?? 'never',
            one.entitlements.map(({ tag, count }) => `${tag} ${count}`).join(', '),
          ]),
        )
      }
    }),
  )
instance
  .command('show')
  .description('show one')
  .argument('<id>')
  .action((id: string) =>
    withAuthority(async (authority, where) => {
      const found = await authority.instances.get(id, where)
      if (json()) printJson(found)
      else printText(JSON.stringify(found, null, 2))
    }),
  )
instance
  .command('remove')
  .description('remove one: its licences go back to the pool')
  .argument('<id>')
  .option('--return-code <code>', 'of a box that works from a reservation; - for standard input')
  .option('--return-code-file <file>', 'read the return code from a file')
  .option('--lost-box <reason>', 'remove a box that is lost without its return code; this is recorded')
  .action((id: string, options: { returnCode?: string; returnCodeFile?: string; lostBox?: string }) =>
    withAuthority(async (authority, where) => {
      const { pid, serial, virtualAccount, removed } = await removeInstance(authority, where, id, options)
      if (json()) printJson({ removed })
      else printText(`${pid}, serial ${serial}, was removed; its licences are back in ${virtualAccount}.`)
    }),
  )

addTransferCommand(instance, 'instance', cli)

addReviewCommands(instance, token, cli)

/** Removes an instance in the way that fits it: a reservation ends by its return code, or by who answers for a lost box. */
async function removeInstance(
  authority: Authority,
  where: Where,
  id: string,
  options: { returnCode?: string; returnCodeFile?: string; lostBox?: string },
) {
  const { returnCode, returnCodeFile, lostBox } = options
  if (returnCode === undefined && returnCodeFile === undefined && lostBox === undefined) {
    const { id: removed, udi, virtualAccount } = await authority.instances.remove(id, where)
    return { ...udi, virtualAccount, removed }
  }
  if (lostBox !== undefined && (returnCode !== undefined || returnCodeFile !== undefined))
    throw new LicensingError('USAGE', 'A box that gave its return code is not lost: give one of both.')
  const ended =
    lostBox === undefined
      ? await authority.reservations.acceptReturnCode(
          id,
          await readCode('return code', returnCode, returnCodeFile),
          where,
        )
      : await authority.reservations.writeOff(id, { reason: lostBox, by: userName() }, where)
  return { ...ended.udi, virtualAccount: ended.virtualAccount, removed: ended.instanceId }
}

async function readCode(what: string, argument?: string, file?: string): Promise<string> {
  const { readCarriedCode } = await import('./codes.ts')
  return readCarriedCode({ argument, file, what })
}

const reservation = program
  .command('reservation')
  .description('specific licence reservation: for boxes that never make a connection')
reservation
  .command('enable')
  .description('authorise the smart account for reservation')
  .action(() =>
    withAuthority(async (authority, where) => {
      await authority.reservations.enable(where)
      if (json()) printJson({ enabled: true })
      else printText('The smart account may reserve licences.')
    }),
  )

/** `TAG=N`, each once. @throws LicensingError INVALID_ARGUMENT */
function readQuantities(texts: readonly string[]): Record<string, number> {
  const quantities: Record<string, number> = {}
  for (const text of texts) {
    const [, tag, count] = /^([^=]+)=(\d{1,12})$/.exec(text) ?? []
    if (tag === undefined || count === undefined)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The licence ${JSON.stringify(text)} is not of the form TAG=QUANTITY.`,
      )
    if (Object.hasOwn(quantities, tag))
      throw new LicensingError('INVALID_ARGUMENT', `The licence ${tag} was given twice.`)
    quantities[tag] = Number(count)
  }
  return quantities
}

/** Writes the file of an authorization and says what it is. */
async function issue(
  out: string,
  work: () => Promise<IssuedAuthorization>,
  whatToDo: (issued: IssuedAuthorization) => string,
): Promise<void> {
  if (out === '-' && json())
    throw new LicensingError(
      'USAGE',
      'With --json the file cannot go to standard output: name one with --out.',
    )
  const { writeCarriedFile } = await import('./codes.ts')
  const issued = await writeCarriedFile(out, work)
  const { file: _file, ...document } = issued
  if (json()) printJson({ ...document, out })
  const say = out === '-' ? (text: string) => process.stderr.write(`${text}\n`) : printText
  if (!json()) {
    say(
      `Authorization ${issued.authorization} for ${issued.udi.pid}, serial ${issued.udi.serial}: ${licensesLine(issued.licenses)}.`,
    )
    say(whatToDo(issued))
    if (issued.advice !== null) say(issued.advice)
  }
}

reservation
  .command('reserve')
  .description('reserve licences for a box, and write its authorization file')
  .option('--request <code>', 'reservation request code of the box; - for standard input')
  .option('--request-file <file>', 'read the request code from a file')
  .requiredOption('--license <tag=n...>', 'entitlement tag and quantity; may be given several times')
  .option('--virtual-account <name>', 'the virtual account; the default one unless named')
  .requiredOption('--out <file>', 'where to write the authorization file; - for standard output')
  .action(
    (options: {
      request?: string
      requestFile?: string
      license: string[]
      virtualAccount?: string
      out: string
    }) =>
      withAuthority(async (authority, where) => {
        const request = await readCode('request code', options.request, options.requestFile)
        const licenses = readQuantities(options.license)
        await issue(
          options.out,
          () =>
            authority.reservations.reserve({
              ...where,
              virtualAccount: options.virtualAccount,
              request,
              licenses,
            }),
          ({ instanceId }) =>
            `The product instance is ${instanceId}. Carry the file to the box and install it: smart-agent reservation install FILE`,
        )
      }),
  )
reservation
  .command('update')
  .description('change what is reserved for a box, and write its next authorization file')
  .requiredOption('--instance <id>', 'product instance')
  .requiredOption('--license <tag=n...>', 'entitlement tag and new quantity; what is not named stays')
  .requiredOption('--out <file>', 'where to write the authorization file; - for standard output')
  .action((options: { instance: string; license: string[]; out: string }) =>
    withAuthority(async (authority, where) => {
      const licenses = readQuantities(options.license)
      await issue(
        options.out,
        () => authority.reservations.update(options.instance, licenses, where),
        () =>
          'Carry the file to the box: `smart-agent reservation update FILE` prints a confirmation code. Until that is entered here, the larger of both quantities is held.',
      )
    }),
  )
reservation
  .command('confirm')
  .description('enter the confirmation code of an update')
  .requiredOption('--instance <id>', 'product instance')
  .option('--code <code>', 'confirmation code; - for standard input')
  .option('--code-file <file>', 'read the confirmation code from a file')
  .action((options: { instance: string; code?: string; codeFile?: string }) =>
    withAuthority(async (authority, where) => {
      const code = await readCode('confirmation code', options.code, options.codeFile)
      const confirmed = await authority.reservations.confirm(options.instance, code, where)
      if (json()) printJson(confirmed)
      else printText(`The update is confirmed. Reserved: ${licensesLine(confirmed.licenses)}.`)
    }),
  )
reservation
  .command('list')
  .description('list the reservations in force')
  .action(() =>
    withAuthority(async (authority, where) => {
      const reservations = await authority.reservations.list(where)
      if (json()) printJson({ reservations })
      else
        await printTable(
          ['Instance', 'Product', 'Serial', 'Virtual account', 'Authorization', 'Reserved'],
          reservations.map((one) => [
            one.instanceId,
            one.udi.pid,
            one.udi.serial,
            one.virtualAccount,
            one.pending ? `${one.authorization}, not confirmed` : one.authorization,
            licensesLine(one.licenses),
          ]),
        )
    }),
  )
reservation
  .command('show')
  .description('show one; write its newest authorization file again')
  .argument('<instance>')
  .option('--out <file>', 'where to write the file; - for standard output')
  .action((id: string, options: { out?: string }) =>
    withAuthority(async (authority, where) => {
      const { writeCarriedFile } = await import('./codes.ts')
      const show = () => authority.reservations.get(id, where)
      const { file, ...document } =
        options.out === undefined ? await show() : await writeCarriedFile(options.out, show)
      if (options.out !== undefined && file === null)
        throw new LicensingError('RESERVATION_ENDED', 'The reservation has ended: there is no file to write.')
      if (json()) printJson({ ...document, ...(options.out !== undefined && { out: options.out }) })
      else if (options.out !== '-') {
        printText(
          [
            `${document.udi.pid}, serial ${document.udi.serial}, of ${document.virtualAccount}: ${document.status}`,
            `authorization  ${document.authorization}${document.pending ? ', waits for its confirmation code' : ''}`,
            `reserved       ${licensesLine(document.licenses)}`,
            ...(document.previous.length > 0 ? [`before         ${licensesLine(document.previous)}`] : []),
            ...(document.endedAt === null ? [] : [`ended          ${document.endedAt}`]),
            ...(options.out === undefined ? [] : [`written to     ${options.out}`]),
          ].join('\n'),
        )
      }
    }),
  )

addSatelliteCommands(program, cli)

addBackupCommands(program, cli)

addUserCommands(program, {
  json,
  reaches: true,
  withDesk: (work) =>
    withAuthority(async (authority) => {
      const { authorityDesk } = await import('../console/authority-console.ts')
      return work(authorityDesk(authority, dataDir()))
    }),
})

addApiClientCommands(program, cli)

addReportCommands(program, cli)

addAuditCommands(program, cli)

addWebhookCommands(program, cli)

addNotificationCommands(program, cli)

program
  .command('completion')
  .description('a completion script for bash: source it, or put it in /etc/bash_completion.d')
  .action(async () => {
    const { bashCompletion } = await import('./completion.ts')
    printText(bashCompletion(program))
  })

const { runProgram } = await import('./run-cli.ts')
await runProgram(program)
