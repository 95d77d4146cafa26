import type { Command } from 'commander'
import type { SatelliteDocument, SatelliteTerms } from '../../authority/satellites/satellites.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { formatMinute, printTable } from '../table.ts'

interface TermOptions {
  warnAfter?: string
  restrictAfter?: string
  credentialDays?: string
}

const policyOptions = (command: Command): Command =>
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

/** Creates the command `satellite`. */
export function createSatelliteCommand({ json, withAuthority }: AuthorityCli): Command {
  const satellite = createCommand('satellite').description('the satellites of a manager')
  policyOptions(
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
            formatMinute(one.lastSyncAt),
            formatMinute(one.overdueAt),
            formatMinute(one.restrictedAt),
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
  policyOptions(
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
          const { confirm } = await import('../secrets.ts')
          await confirm(
            `Remove the satellite ${name}? It cannot synchronise again, and grants nothing when its mandate has ended.`,
            options.yes ?? false,
          )
        }
        const removed = await authority.satellites.remove(name, where)
        if (json()) printJson(removed)
        else
          printText(
            `The satellite ${name} was removed; ${removed.virtualAccounts.join(', ')} belongs to the manager again.${removed.restrictedAt === null ? '' : ` What its boxes use counts until its mandate ends, ${formatMinute(removed.restrictedAt)}.`}`,
          )
      }),
    )
  return satellite
}

const termsLine = ({ name, terms }: SatelliteDocument): string =>
  `${name}: overdue after ${terms.warnDays} days, restricted after ${terms.restrictDays}, by itself for ${terms.credentialDays}.`

const namesLine = ({ tlsNames }: SatelliteDocument): string =>
  tlsNames === null
    ? 'Its servers may have the names that it asks for; of others, none of the manager’s.'
    : `Its servers may have the names ${tlsNames.join(', ') || 'of loopback alone'}.`
