import type { Command } from 'commander'
import type { SatelliteDocument, SatelliteTerms } from '../../authority/satellites/satellites.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { formatMinute, printTable } from '../table.ts'

interface PolicyOptions {
  warnAfter?: string
  restrictAfter?: string
  credentialDays?: string
}

const addPolicyOptions = (command: Command): Command =>
  command
    .option('--warn-after <days>', 'days without synchronization after which that is said (30)')
    .option('--restrict-after <days>', 'days after which the satellite may grant nothing any more (90)')
    .option('--credential-days <days>', 'days for which it may synchronize by itself, from each use on (180)')

interface NameOptions {
  tlsName?: string[]
  askTlsNames?: boolean
}

const addNameOption = (command: Command): Command =>
  command.option(
    '--tls-name <name>',
    'a host name or IP address of its servers, may be given several times; without any, those it asks for',
    (name: string, before: string[] | undefined) => [...(before ?? []), name],
  )

function parseTerms({ warnAfter, restrictAfter, credentialDays }: PolicyOptions): Partial<SatelliteTerms> {
  return {
    ...(warnAfter !== undefined && { warnDays: parseWholeNumber(warnAfter, 'number of days') }),
    ...(restrictAfter !== undefined && { restrictDays: parseWholeNumber(restrictAfter, 'number of days') }),
    ...(credentialDays !== undefined && {
      credentialDays: parseWholeNumber(credentialDays, 'number of days'),
    }),
  }
}

/** Creates the command `satellite`. */
export function createSatelliteCommand({ json, withAuthority }: AuthorityCli): Command {
  const satellite = createCommand('satellite').description('the satellites of a manager')
  addPolicyOptions(
    addNameOption(
      satellite
        .command('add')
        .description('add one: the virtual account becomes the satellite’s')
        .argument('<name>')
        .requiredOption('--virtual-account <name>', 'its virtual account; made where it is missing'),
    ),
  ).action((name: string, options: PolicyOptions & NameOptions & { virtualAccount: string }) =>
    withAuthority(async (authority, { account }) => {
      const { virtualAccount, tlsName = null } = options
      const added = await authority.satellites.add(name, {
        account,
        virtualAccount,
        terms: parseTerms(options),
        tlsNames: tlsName,
      })
      if (json()) printJson(added)
      else
        printText(
          [
            `The satellite ${name} was added; ${virtualAccount} is its virtual account.`,
            formatNames(added),
            `One-time code for a first exchange by wire: ${added.code}`,
            'By hand: on the satellite `sync export FILE`, here `sync respond FILE --out ANSWER`, on the satellite `sync import ANSWER`.',
          ].join('\n'),
        )
    }),
  )
  satellite
    .command('enrollment-code')
    .description('make another one-time code for a first exchange by wire')
    .argument('<name>')
    .action((name: string) =>
      withAuthority(async (authority, where) => {
        const made = await authority.satellites.createEnrollmentCode(name, where)
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
        for (const { name, reclaims } of satellites)
          for (const one of reclaims)
            printText(
              `${one.quantity} of ${one.tag} go from ${name} to ${one.to} ${one.notified ? 'when it has confirmed, at its next synchronization' : 'after its next two synchronizations'}.`,
            )
      }),
    )
  addPolicyOptions(
    addNameOption(
      satellite
        .command('configure')
        .description('change its days, and the names of its servers; told at the next exchange')
        .argument('<name>')
        .option('--ask-tls-names', 'its servers have the names that it asks for, as without --tls-name'),
    ),
  ).action((name: string, options: PolicyOptions & NameOptions) =>
    withAuthority(async (authority, where) => {
      const { tlsName, askTlsNames = false } = options
      if (askTlsNames && tlsName !== undefined)
        throw new LicensingError('USAGE', 'Give --tls-name or --ask-tls-names, not both.')
      const changed = await authority.satellites.configure(
        name,
        {
          ...parseTerms(options),
          ...(askTlsNames && { tlsNames: null }),
          ...(tlsName !== undefined && { tlsNames: tlsName }),
        },
        where,
      )
      if (json()) printJson(changed)
      else printText(`${formatTerms(changed)}\n${formatNames(changed)}`)
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
            `Remove the satellite ${name}? It cannot synchronize again, and grants nothing when its mandate has ended.`,
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

const formatTerms = ({ name, terms }: SatelliteDocument): string =>
  `${name}: overdue after ${terms.warnDays} days, restricted after ${terms.restrictDays}, by itself for ${terms.credentialDays}.`

const formatNames = ({ tlsNames }: SatelliteDocument): string =>
  tlsNames === null
    ? 'Its servers may have the names that it asks for; of others, none of the manager’s.'
    : `Its servers may have the names ${tlsNames.join(', ') || 'of loopback alone'}.`
