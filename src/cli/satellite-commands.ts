import { pluralize } from '../core/text.ts'
import type { Command } from 'commander'
import type { SyncSchedule } from '../../machines/index.ts'
import type { SatelliteDocument, SatelliteTerms } from '../authority/satellites/satellites.ts'
import type { Responded } from '../authority/satellites/sync-answers.ts'
import type { ManagerRoad } from '../authority/satellite-sync/sync-service.ts'
import type { Imported } from '../authority/satellite-sync/sync-import.ts'
import type { SyncStatus } from '../authority/satellite-sync/sync-status.ts'
import { LicensingError } from '../core/errors.ts'
import { LEAVABLE, type Leavable } from '../protocol/sync-request.ts'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { printJson, printText } from './output.ts'
import type { ProxyOptions } from './proxy-settings.ts'
import { printTable } from './table.ts'
import { bringRootKey, type RootKeyOptions, rootKeyOptions } from './trust-commands.ts'

/** The commands of a manager for its satellites, and of a satellite for its manager. */
export function addSatelliteCommands(program: Command, cli: AuthorityCli): void {
  addSatellites(program, cli)
  addSynchronisation(program, cli)
}

interface TermOptions {
  warnAfter?: string
  restrictAfter?: string
  credentialDays?: string
}

const termOptions = (command: Command): Command =>
  command
    .option('--warn-after <days>', 'days without synchronisation after which that is said (30)')
    .option('--restrict-after <days>', 'days after which the satellite may grant nothing any more (90)')
    .option('--credential-days <days>', 'days for which it may synchronise by itself, from each use on (180)')

interface NameOptions {
  tlsName?: string[]
  askTlsNames?: boolean
}

const nameOption = (command: Command): Command =>
  command.option(
    '--tls-name <name>',
    'a host name or IP address of its servers, may be given several times; without any, those it asks for',
    (name: string, before: string[] | undefined) => [...(before ?? []), name],
  )

function termsOf({ warnAfter, restrictAfter, credentialDays }: TermOptions): Partial<SatelliteTerms> {
  return {
    ...(warnAfter !== undefined && { warnDays: wholeNumber(warnAfter, 'number of days') }),
    ...(restrictAfter !== undefined && { restrictDays: wholeNumber(restrictAfter, 'number of days') }),
    ...(credentialDays !== undefined && { credentialDays: wholeNumber(credentialDays, 'number of days') }),
  }
}

const day = (instant: string | null): string => instant?.slice(0, 16).replace('T', ' ') ?? '-'

function addSatellites(program: Command, { json, withAuthority }: AuthorityCli): void {
  const satellite = program.command('satellite').description('the satellites of a manager')
  termOptions(
    nameOption(
      satellite
        .command('add')
        .description('add one: the virtual account becomes the satellite’s')
        .argument('<name>')
        .requiredOption('--virtual-account <name>', 'its virtual account; made where it is missing'),
    ),
  ).action((name: string, options: TermOptions & NameOptions & { virtualAccount: string }) =>
    withAuthority(async (authority, { account }) => {
      const { virtualAccount, tlsName = null } = options
      const added = await authority.satellites.add(name, {
        account,
        virtualAccount,
        terms: termsOf(options),
        tlsNames: tlsName,
      })
      if (json()) printJson(added)
      else
        printText(
          [
            `The satellite ${name} was added; ${virtualAccount} is its virtual account.`,
            namesLine(added),
            `One-time code for a first exchange by wire: ${added.code}`,
            'By hand: on the satellite `sync export FILE`, here `sync respond FILE --out ANSWER`, on the satellite `sync import ANSWER`.',
          ].join('\n'),
        )
    }),
  )
  satellite
    .command('code')
    .description('make another one-time code for a first exchange by wire')
    .argument('<name>')
    .action((name: string) =>
      withAuthority(async (authority, where) => {
        const made = await authority.satellites.code(name, where)
        if (json()) printJson(made)
        else printText(`${made.code}\nfor ${made.name}, until ${made.expiresAt}`)
      }),
    )
  satellite
    .command('list')
    .description('list them, and how they stand')
    .action(() =>
      withAuthority(async (authority, where) => {
        const satellites = await authority.satellites.list(where)
        if (json()) {
          printJson({ satellites })
          return
        }
        await printTable(
          [
            'Satellite',
            'Virtual account',
            'Status',
            'Last sync',
            'Overdue from',
            'Restricted from',
            'Instances',
          ],
          satellites.map((one) => [
            one.name,
            one.virtualAccounts.join(', '),
            one.status,
            day(one.lastSyncAt),
            day(one.overdueAt),
            day(one.restrictedAt),
            one.instances.registered + one.instances.reserved,
          ]),
        )
        for (const { name, recalls } of satellites)
          for (const one of recalls)
            printText(
              `${one.quantity} of ${one.tag} go from ${name} to ${one.to} ${one.told ? 'when it has confirmed, at its next synchronisation' : 'after its next two synchronisations'}.`,
            )
      }),
    )
  termOptions(
    nameOption(
      satellite
        .command('set')
        .description('change its days, and the names of its servers; told at the next exchange')
        .argument('<name>')
        .option('--ask-tls-names', 'its servers have the names that it asks for, as without --tls-name'),
    ),
  ).action((name: string, options: TermOptions & NameOptions) =>
    withAuthority(async (authority, where) => {
      const { tlsName, askTlsNames = false } = options
      if (askTlsNames && tlsName !== undefined)
        throw new LicensingError('USAGE', 'Give --tls-name or --ask-tls-names, not both.')
      const changed = await authority.satellites.set(
        name,
        {
          ...termsOf(options),
          ...(askTlsNames && { tlsNames: null }),
          ...(tlsName !== undefined && { tlsNames: tlsName }),
        },
        where,
      )
      if (json()) printJson(changed)
      else printText(`${termsLine(changed)}\n${namesLine(changed)}`)
    }),
  )
  satellite
    .command('remove')
    .description('remove one: its virtual accounts are the manager’s again')
    .argument('<name>')
    .option('--yes', 'do not ask; without a terminal nobody is asked')
    .action((name: string, options: { yes?: boolean }) =>
      withAuthority(async (authority, where) => {
        const known = (await authority.satellites.list(where)).some((one) => one.name === name)
        if (known && process.stdin.isTTY && !json()) {
          const { confirmOrRefuse } = await import('./secrets.ts')
          await confirmOrRefuse(
            `Remove the satellite ${name}? It cannot synchronise again, and grants nothing when its mandate has ended.`,
            options.yes ?? false,
          )
        }
        const removed = await authority.satellites.remove(name, where)
        if (json()) printJson(removed)
        else
          printText(
            `The satellite ${name} was removed; ${removed.virtualAccounts.join(', ')} belongs to the manager again.${removed.restrictedAt === null ? '' : ` What its boxes use counts until its mandate ends, ${day(removed.restrictedAt)}.`}`,
          )
      }),
    )
}

const termsLine = ({ name, terms }: SatelliteDocument): string =>
  `${name}: overdue after ${terms.warnDays} days, restricted after ${terms.restrictDays}, by itself for ${terms.credentialDays}.`

const namesLine = ({ tlsNames }: SatelliteDocument): string =>
  tlsNames === null
    ? 'Its servers may have the names that it asks for; of others, none of the manager’s.'
    : `Its servers may have the names ${tlsNames.join(', ') || 'of loopback alone'}.`

function addSynchronisation(program: Command, cli: AuthorityCli): void {
  const { json, withAuthority } = cli
  const sync = program.command('sync').description('the synchronisation of a satellite with its manager')
  sync
    .command('status')
    .description('how this satellite stands with its manager')
    .action(() =>
      withAuthority(async (authority) => {
        const status = await authority.sync.status()
        if (json()) printJson(status)
        else printText(statusText(status))
      }),
    )
  sync
    .command('export')
    .description('on a satellite: write the request that is carried to the manager')
    .argument('<file>')
    .option('--leave-out <what>', `what is not told from now on: ${LEAVABLE.join(', ')}, or nothing`)
    .action((file: string, options: { leaveOut?: string }) =>
      withAuthority(async (authority) => {
        refuseStandardOutput(file, json())
        const { writeCarriedFile } = await import('./codes.ts')
        const leaveOut = options.leaveOut === undefined ? undefined : leavable(options.leaveOut)
        const { file: _text, ...exported } = await writeCarriedFile(file, () =>
          authority.sync.export(leaveOut ? { leaveOut } : {}),
        )
        if (json()) printJson({ ...exported, out: file })
        else
          say(
            file,
            [
              `Exchange ${exported.exchange}: ${exported.report === 'full' ? 'everything' : 'what has changed'}, ${pluralize(exported.instances, 'product instance')}${exported.ended === 0 ? '' : `, ${exported.ended} ended`}.`,
              `Fingerprint of this satellite's key: ${exported.fingerprint}`,
              'Carry the file to the manager: `smart-authority sync respond FILE --out ANSWER`, and its answer back: `sync import ANSWER`.',
            ].join('\n'),
          )
      }),
    )
  const respond = sync
    .command('respond')
    .description('on a manager: answer the request of a satellite')
    .argument('<file>')
    .requiredOption('--out <file>', 'where to write the answer; - for standard output')
  for (const option of rootKeyOptions()) respond.addOption(option)
  respond.action((file: string, options: RootKeyOptions & { out: string }) =>
    withAuthority(async (authority) => {
      refuseStandardOutput(options.out, json())
      await bringRootKey(authority, options)
      const [{ readNamedFile }, { writeCarriedFile }] = await Promise.all([
        import('./secrets.ts'),
        import('./codes.ts'),
      ])
      const request = readNamedFile(file)
      const { file: _text, ...responded } = await writeCarriedFile(options.out, () =>
        authority.satellites.respond(request),
      )
      if (json()) printJson({ ...responded, out: options.out })
      else say(options.out, respondedText(responded))
    }),
  )
  sync
    .command('import')
    .description('on a satellite: take the answer of the manager')
    .argument('<file>')
    .option('--trust-fingerprint <fingerprint>', 'the fingerprint of the manager’s root, the first time')
    .option('--yes', 'take the root certificate in the first answer unseen')
    .action((file: string, options: { trustFingerprint?: string; yes?: boolean }) =>
      withAuthority(async (authority) => {
        const { readNamedFile, confirmOrRefuse } = await import('./secrets.ts')
        const text = readNamedFile(file)
        const { trustFingerprint, yes = false } = options
        let trust =
          trustFingerprint === undefined
            ? yes
              ? ('unseen' as const)
              : null
            : { fingerprint: trustFingerprint }
        const fingerprint = await authority.sync.rootToTrust(text)
        if (fingerprint !== null && trust === null) {
          await confirmOrRefuse(
            `The answer brings a root certificate with the fingerprint ${fingerprint}. Is it the one that the manager prints with \`trust show\`?`,
            false,
            'Run it again with --trust-fingerprint and what `trust show` prints at the manager; --yes takes it unseen.',
          )
          trust = { fingerprint }
        }
        printImported(await authority.sync.import(text, trust), json())
      }),
    )
  sync
    .command('now')
    .description('on a satellite: synchronise by wire, now')
    .option(
      '--code-file <file>',
      'read the one-time code of a first exchange from a file; - for standard input',
    )
    .action((options: { codeFile?: string }) =>
      withAuthority(async (authority) => {
        if (options.codeFile !== undefined) {
          const { readCarriedCode } = await import('./codes.ts')
          const { codeFile } = options
          await authority.sync.useCode(
            await readCarriedCode({
              ...(codeFile === '-' ? { argument: '-' } : { file: codeFile }),
              what: 'one-time code',
            }),
          )
        }
        printImported(await authority.sync.now(), json())
      }),
    )
  sync
    .command('schedule')
    .description('on a satellite: when it synchronises by itself, while it is served')
    .argument('<never|daily|weekly|monthly>')
    .option('--hour <h>', 'hour of the day, UTC, 0 to 23', '3')
    .option('--day <d>', 'weekly: 1 (Monday) to 7; monthly: 1 to 28', '1')
    .action((every: string, options: { hour: string; day: string }) =>
      withAuthority(async (authority) => {
        await authority.sync.schedule(scheduleOf(every, options))
        const status = await authority.sync.status()
        if (json()) printJson(status)
        else {
          printText(statusText(status))
          if (every !== 'never' && status.manager === null)
            printText('It has no way to its manager yet: `sync manager URL`.')
        }
      }),
    )
  sync
    .command('manager')
    .description('on a satellite: how it reaches its manager')
    .argument('<url>')
    .option('--via <proxy>', 'through a proxy: http[s]://HOST[:3128]')
    .option('--username <user>', 'user name for the proxy; the password is asked for')
    .option('--password-file <file>', 'read the password from a file; - for standard input')
    .action((url: string, options: ProxyOptions) =>
      withAuthority(async (authority) => {
        const road = await authority.sync.setManager(await roadOf(url, options))
        if (json()) printJson(road)
        else printText(`${roadWords(road)}. Try it with \`sync now\`.`)
      }),
    )
  sync
    .command('leave-out')
    .description('on a satellite: what is not told to the manager from the next exchange on')
    .argument('<what>', `${LEAVABLE.join(', ')}, or nothing`)
    .action((what: string) =>
      withAuthority(async (authority) => {
        const { leftOut } = await authority.sync.leaveOut(leavable(what))
        if (json()) printJson({ leftOut })
        else printText(`Left out: ${leftOut.length === 0 ? 'nothing' : leftOut.join(', ')}.`)
      }),
    )
}

/** How a manager is reached, from the command line. */
export async function roadOf(url: string, options: ProxyOptions) {
  if (options.via === undefined) return { kind: 'direct' as const, url }
  const { proxySettings } = await import('./proxy-settings.ts')
  return (await proxySettings(url, options)).settings
}

const roadWords = ({ url, via, username }: ManagerRoad): string =>
  `The manager is at ${url}${via === null ? '' : `, by the proxy ${via}${username === null ? '' : ` as ${username}`}`}`

/** Words go to standard error where the file itself goes to standard output. */
function say(out: string, text: string): void {
  if (out === '-') process.stderr.write(`${text}\n`)
  else printText(text)
}

function refuseStandardOutput(out: string, json: boolean): void {
  if (out === '-' && json)
    throw new LicensingError('USAGE', 'With --json the file cannot go to standard output: name a file.')
}

/** @throws LicensingError INVALID_ARGUMENT */
function leavable(text: string): Leavable[] {
  if (text.trim() === 'nothing') return []
  return text.split(',').map((word) => {
    const known = LEAVABLE.find((one) => one === word.trim())
    if (known) return known
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(word.trim())} cannot be left out: it is ${LEAVABLE.join(' or ')}, or nothing.`,
    )
  })
}

/** @throws LicensingError INVALID_ARGUMENT */
function scheduleOf(every: string, options: { hour: string; day: string }): SyncSchedule {
  const hour = wholeNumber(options.hour, 'hour')
  const dayNumber = wholeNumber(options.day, 'day')
  switch (every) {
    case 'never':
      return { every }
    case 'daily':
      return { every: 'day', hour }
    case 'weekly':
      return { every: 'week', day: dayNumber, hour }
    case 'monthly':
      return { every: 'month', day: dayNumber, hour }
    default:
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `A satellite synchronises never, daily, weekly or monthly, not ${JSON.stringify(every)}.`,
      )
  }
}

function respondedText(responded: Omit<Responded, 'file'>): string {
  const { satellite, exchange, epoch, fingerprint, totals } = responded
  return [
    responded.again
      ? `Exchange ${exchange} of ${satellite} was answered before: this is the same answer.`
      : responded.outcome === 'repair'
        ? `Exchange ${exchange} of ${satellite} does not follow what was answered. The answer asks it to report everything, in another exchange.`
        : `Exchange ${exchange} of ${satellite}${epoch > 1 ? `, epoch ${epoch}` : ''}: it has ${totals.registered} registered and ${totals.reserved} reserved product instances.`,
    responded.registered
      ? `Its name is bound to the key with the fingerprint ${fingerprint}: compare it with what the satellite printed.`
      : `Fingerprint of its key: ${fingerprint}`,
    `Its servers may have the names ${['localhost', ...responded.certifiedNames].join(', ')}.`,
    ...responded.notices.map((notice) => `! ${notice}`),
    'Carry the answer to the satellite: `smart-authority sync import ANSWER`.',
  ].join('\n')
}

function printImported(imported: Imported, json: boolean): void {
  const { failure, ...document } = imported
  if (failure) throw LicensingError.fromDocument(failure)
  if (json) {
    printJson(document)
    return
  }
  printText(
    [
      imported.outcome === 'repair'
        ? 'The manager knows another history of this satellite, as after a restore. Make another exchange: it reports everything.'
        : imported.registered
          ? `The satellite is registered, and good until ${imported.restrictedAt}. Serve it with \`smart-authority serve\`.`
          : `Synchronised (exchange ${imported.exchange}), and good until ${imported.restrictedAt}.`,
      ...imported.notices.map((notice) => `! ${notice}`),
      ...(imported.again && imported.outcome === 'accepted'
        ? ['The manager should hear of what this changed: make another exchange when you can.']
        : []),
    ].join('\n'),
  )
}

const standings: Readonly<Record<SyncStatus['standing'], string>> = {
  unregistered: 'not registered yet',
  current: 'in touch with its manager',
  overdue: 'OVERDUE: a synchronisation is needed',
  restricted: 'RESTRICTED: nothing is granted until it synchronises',
  ended: 'ENDED: its manager knows it no more',
}

const scheduleWords = (schedule: SyncSchedule): string => {
  switch (schedule.every) {
    case 'never':
      return 'by hand'
    case 'day':
      return `daily at ${schedule.hour}:00 UTC`
    case 'week':
      return `weekly, on day ${schedule.day} at ${schedule.hour}:00 UTC`
    case 'month':
      return `monthly, on day ${schedule.day} at ${schedule.hour}:00 UTC`
  }
}

function statusText(status: SyncStatus & { manager: ManagerRoad | null }): string {
  const { carried, lastAttempt, manager } = status
  const reason = lastAttempt?.reason
  return [
    `Satellite ${status.satellite} of ${status.smartAccount}: ${status.inDoubt ? 'RESTORED OR COPIED: nothing new is promised until it has synchronised' : standings[status.standing]}`,
    `key             ${status.fingerprint}`,
    `last sync       ${day(status.lastSyncAt)}`,
    `overdue from    ${day(status.overdueAt)}`,
    `restricted from ${day(status.restrictedAt)}`,
    `schedule        ${scheduleWords(status.schedule)}${status.nextSyncAt === null ? '' : `, next ${day(status.nextSyncAt)}`}`,
    `manager         ${manager === null ? 'no address: by hand' : manager.url + (manager.via === null ? '' : ` by ${manager.via}`)}`,
    `by itself until ${day(status.automaticUntil)}`,
    `left out        ${status.leftOut.length === 0 ? 'nothing' : status.leftOut.join(', ')}`,
    ...(carried === null
      ? []
      : [`carried         exchange ${carried.exchange}, since ${day(carried.since)}`]),
    ...(reason ? [`last failure    ${reason.message} ${reason.remedy}`] : []),
  ].join('\n')
}
