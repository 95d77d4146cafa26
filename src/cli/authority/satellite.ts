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
    .option('--warn-after <days>', 'days without synchronization before a warning (default: 30)')
    .option(
      '--restrict-after <days>',
      'days without synchronization before the satellite stops granting licenses (default: 90)',
    )
    .option(
      '--credential-days <days>',
      'days for which the online credential stays valid without being used (default: 180)',
    )

interface NameOptions {
  tlsName?: string[]
  askTlsNames?: boolean
}

const addNameOption = (command: Command): Command =>
  command.option(
    '--tls-name <name>',
    'allowed host name or IP address for the servers of the satellite; repeatable (default: the names that the satellite requests)',
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
  const satellite = createCommand('satellite').description('manage the satellites of a manager')
  addPolicyOptions(
    addNameOption(
      satellite
        .command('add')
        .description('add a satellite and assign a virtual account to it')
        .argument('<name>')
        .requiredOption('--virtual-account <name>', 'virtual account of the satellite; created if missing'),
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
            `The satellite ${name} was added with the virtual account ${virtualAccount}.`,
            formatNames(added),
            `One-time code for the first online synchronization: ${added.code}`,
            'Offline: on the satellite `sync export FILE`, here `sync respond FILE --out ANSWER`, on the satellite `sync import ANSWER`.',
          ].join('\n'),
        )
    }),
  )
  satellite
    .command('enrollment-code')
    .description('create a new one-time code for the first online synchronization')
    .argument('<name>')
    .action((name: string) =>
      withAuthority(async (authority, where) => {
        const created = await authority.satellites.createEnrollmentCode(name, where)
        if (json()) printJson(created)
        else printText(`${created.code}\nfor ${created.name}, valid until ${created.expiresAt}`)
      }),
    )
  satellite
    .command('list')
    .description('list the satellites with their status')
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
          satellites.map((satellite) => [
            satellite.name,
            satellite.virtualAccounts.join(', '),
            satellite.status,
            formatMinute(satellite.lastSyncAt),
            formatMinute(satellite.overdueAt),
            formatMinute(satellite.restrictedAt),
            satellite.instances.registered + satellite.instances.reserved,
          ]),
        )
        for (const { name, reclaims } of satellites)
          for (const { quantity, tag, to, notified } of reclaims)
            printText(
              `${quantity} of ${tag} will move from ${name} to ${to} ${notified ? 'at the next synchronization of the satellite, when it confirms the change' : 'after the next two synchronizations of the satellite'}.`,
            )
      }),
    )
  addPolicyOptions(
    addNameOption(
      satellite
        .command('configure')
        .description(
          'change the periods and server names of a satellite; effective at its next synchronization',
        )
        .argument('<name>')
        .option(
          '--ask-tls-names',
          'allow the server names that the satellite requests (instead of --tls-name)',
        ),
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
    .description('remove a satellite and return its virtual accounts to the manager')
    .argument('<name>')
    .option('--yes', 'do not ask for confirmation; the command asks only in a terminal')
    .action((name: string, options: { yes?: boolean }) =>
      withAuthority(async (authority, where) => {
        const known = (await authority.satellites.list(where)).some((document) => document.name === name)
        if (known && process.stdin.isTTY && !json()) {
          const { confirm } = await import('../secrets.ts')
          await confirm(
            `Remove the satellite ${name}? It cannot synchronize again, and stops granting licenses when its delegation ends.`,
            options.yes ?? false,
          )
        }
        const removed = await authority.satellites.remove(name, where)
        if (json()) printJson(removed)
        else
          printText(
            `The satellite ${name} was removed. ${removed.virtualAccounts.join(', ')} belongs to the manager again.${removed.restrictedAt === null ? '' : ` The usage of its devices counts until its delegation ends at ${formatMinute(removed.restrictedAt)}.`}`,
          )
      }),
    )
  return satellite
}

const formatTerms = ({ name, terms }: SatelliteDocument): string =>
  `${name}: overdue after ${terms.warnDays} days, restricted after ${terms.restrictDays} days, online credential valid for ${terms.credentialDays} days.`

const formatNames = ({ tlsNames }: SatelliteDocument): string =>
  tlsNames === null
    ? 'Server names: all that the satellite requests, except those of the manager.'
    : `Server names: ${tlsNames.join(', ') || 'loopback only'}.`
