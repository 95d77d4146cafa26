import type { Command } from 'commander'
import type { SyncSchedule } from '../../../machines/index.ts'
import type { SyncImportResult } from '../../authority/satellite-sync/sync-import.ts'
import type { ManagerEndpoint } from '../../authority/satellite-sync/sync-service.ts'
import type { SyncStatus } from '../../authority/satellite-sync/sync-status.ts'
import type { SyncResponse } from '../../authority/satellites/sync-answers.ts'
import { LicensingError } from '../../core/errors.ts'
import { pluralize } from '../../core/text.ts'
import { REDACTABLE_FIELDS, type RedactableField } from '../../protocol/sync-request.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { parseEndpoint, formatEndpoint } from './manager-endpoint.ts'
import { loadRootKey, type RootKeyOptions, createRootKeyOptions } from './root-key-options.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import type { ProxyOptions } from '../proxy-settings.ts'
import { formatMinute } from '../table.ts'

/** Creates the command `sync`. */
export function createSyncCommand(cli: AuthorityCli): Command {
  const { json, withAuthority } = cli
  const sync = createCommand('sync').description('synchronize a satellite with its manager')
  sync
    .command('status')
    .description('show the synchronization status of this satellite')
    .action(() =>
      withAuthority(async (authority) => {
        const status = await authority.sync.status()
        if (json()) printJson(status)
        else printText(formatSyncStatus(status))
      }),
    )
  sync
    .command('export')
    .description('on a satellite: write the request file for the manager')
    .argument('<file>')
    .option('--redact <what>', `fields to redact from now on: ${REDACTABLE_FIELDS.join(', ')}, or nothing`)
    .action((file: string, options: { redact?: string }) =>
      withAuthority(async (authority) => {
        assertNotStandardOutput(file, json())
        const { writeFileAtomically } = await import('../atomic-write.ts')
        const redactedFields = options.redact === undefined ? undefined : parseRedactedFields(options.redact)
        const { file: _text, ...exported } = await writeFileAtomically(file, () =>
          authority.sync.export(redactedFields ? { redactedFields } : {}),
        )
        if (json()) printJson({ ...exported, out: file })
        else
          print(
            file,
            [
              `Exchange ${exported.exchange}: ${exported.report === 'full' ? 'full report' : 'changes only'}, ${pluralize(exported.instances, 'product instance')}${exported.ended === 0 ? '' : `, ${exported.ended} ended`}.`,
              `Fingerprint of this satellite's key: ${exported.fingerprint}`,
              'Take the file to the manager and run `smart-authority sync respond FILE --out ANSWER`. Take the answer back and run `sync import ANSWER`.',
            ].join('\n'),
          )
      }),
    )
  const respond = sync
    .command('respond')
    .description('on a manager: answer the request of a satellite')
    .argument('<file>')
    .requiredOption('--out <file>', 'output file for the answer; - for standard output')
  for (const option of createRootKeyOptions()) respond.addOption(option)
  respond.action((file: string, options: RootKeyOptions & { out: string }) =>
    withAuthority(async (authority) => {
      assertNotStandardOutput(options.out, json())
      await loadRootKey(authority, options)
      const [{ readFileArgument }, { writeFileAtomically }] = await Promise.all([
        import('../secrets.ts'),
        import('../atomic-write.ts'),
      ])
      const request = readFileArgument(file)
      const { file: _text, ...responded } = await writeFileAtomically(options.out, () =>
        authority.satellites.respond(request),
      )
      if (json()) printJson({ ...responded, out: options.out })
      else print(options.out, formatResponded(responded))
    }),
  )
  sync
    .command('import')
    .description('on a satellite: import the answer file of the manager')
    .argument('<file>')
    .option(
      '--trust-fingerprint <fingerprint>',
      'fingerprint of the manager’s root certificate, for the first import',
    )
    .option('--yes', 'accept the root certificate in the first answer without verification')
    .action((file: string, options: { trustFingerprint?: string; yes?: boolean }) =>
      withAuthority(async (authority) => {
        const { readFileArgument, confirm } = await import('../secrets.ts')
        const text = readFileArgument(file)
        const { trustFingerprint, yes = false } = options
        let trust =
          trustFingerprint === undefined
            ? yes
              ? ('skip-verification' as const)
              : null
            : { fingerprint: trustFingerprint }
        const fingerprint = await authority.sync.getUntrustedRootFingerprint(text)
        if (fingerprint !== null && trust === null) {
          await confirm(
            `The answer holds a root certificate with the fingerprint ${fingerprint}. Does the manager print the same fingerprint with \`trust show\`?`,
            false,
            'Run the command again with --trust-fingerprint and the fingerprint that `trust show` prints at the manager. --yes accepts it without verification.',
          )
          trust = { fingerprint }
        }
        printImported(await authority.sync.import(text, trust), json())
      }),
    )
  sync
    .command('run')
    .description('on a satellite: synchronize online now')
    .option(
      '--code-file <file>',
      'read the one-time code of the first synchronization from a file; - for standard input',
    )
    .action((options: { codeFile?: string }) =>
      withAuthority(async (authority) => {
        if (options.codeFile !== undefined) {
          const { readCode } = await import('../codes.ts')
          const { codeFile } = options
          await authority.sync.setEnrollmentCode(
            await readCode({
              ...(codeFile === '-' ? { argument: '-' } : { file: codeFile }),
              what: 'one-time code',
            }),
          )
        }
        printImported(await authority.sync.run(), json())
      }),
    )
  sync
    .command('schedule')
    .description('on a satellite: set when it synchronizes automatically while serving')
    .argument('<never|daily|weekly|monthly>')
    .option('--hour <h>', 'hour of the day, UTC, 0 to 23', '3')
    .option('--day <d>', 'weekly: 1 (Monday) to 7; monthly: 1 to 28', '1')
    .action((every: string, options: { hour: string; day: string }) =>
      withAuthority(async (authority) => {
        await authority.sync.schedule(parseSchedule(every, options))
        const status = await authority.sync.status()
        if (json()) printJson(status)
        else {
          printText(formatSyncStatus(status))
          if (every !== 'never' && status.manager === null)
            printText('The address of the manager is not configured. Set it with `sync manager URL`.')
        }
      }),
    )
  sync
    .command('manager')
    .description('on a satellite: set the address of its manager')
    .argument('<url>')
    .option('--via <proxy>', 'through a proxy: http[s]://HOST[:3128]')
    .option('--username <user>', 'user name for the proxy; the password is prompted for')
    .option('--password-file <file>', 'read the password from a file; - for standard input')
    .action((url: string, options: ProxyOptions) =>
      withAuthority(async (authority) => {
        const endpoint = await authority.sync.setManager(await parseEndpoint(url, options))
        if (json()) printJson(endpoint)
        else printText(`${formatEndpoint(endpoint)}. Test it with \`sync run\`.`)
      }),
    )
  sync
    .command('redact')
    .description('on a satellite: set the fields to redact from the next synchronization on')
    .argument('<what>', `${REDACTABLE_FIELDS.join(', ')}, or nothing`)
    .action((what: string) =>
      withAuthority(async (authority) => {
        const { redactedFields } = await authority.sync.setRedactedFields(parseRedactedFields(what))
        if (json()) printJson({ redactedFields })
        else
          printText(`Redacted fields: ${redactedFields.length === 0 ? 'none' : redactedFields.join(', ')}.`)
      }),
    )
  return sync
}

/** Prints text, to standard error when the file itself goes to standard output. */
function print(out: string, text: string): void {
  if (out === '-') process.stderr.write(`${text}\n`)
  else printText(text)
}

function assertNotStandardOutput(out: string, json: boolean): void {
  if (out === '-' && json)
    throw new LicensingError('USAGE', 'With --json, the file cannot go to standard output. Name a file.')
}

/** @throws LicensingError INVALID_ARGUMENT */
function parseRedactedFields(text: string): RedactableField[] {
  if (text.trim() === 'nothing') return []
  return text.split(',').map((word) => {
    const known = REDACTABLE_FIELDS.find((field) => field === word.trim())
    if (known) return known
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The field ${JSON.stringify(word.trim())} cannot be redacted. Choose ${REDACTABLE_FIELDS.join(' or ')}, or nothing.`,
    )
  })
}

/** @throws LicensingError INVALID_ARGUMENT */
function parseSchedule(every: string, options: { hour: string; day: string }): SyncSchedule {
  const hour = parseWholeNumber(options.hour, 'hour')
  const dayNumber = parseWholeNumber(options.day, 'day')
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
        `The schedule ${JSON.stringify(every)} is unknown. Choose never, daily, weekly or monthly.`,
      )
  }
}

function formatResponded(responded: Omit<SyncResponse, 'file'>): string {
  const { satellite, exchange, epoch, fingerprint, totals } = responded
  return [
    responded.again
      ? `Exchange ${exchange} of ${satellite} was already answered. This is the same answer.`
      : responded.outcome === 'repair'
        ? `Exchange ${exchange} of ${satellite} does not follow the last answered exchange. The answer requests a full report, which the next exchange sends.`
        : `Exchange ${exchange} of ${satellite}${epoch > 1 ? `, epoch ${epoch}` : ''}: the satellite has ${totals.registered} registered and ${totals.reserved} reserved product instances.`,
    responded.registered
      ? `The satellite is now bound to the key with the fingerprint ${fingerprint}. Compare it with the fingerprint that the satellite printed.`
      : `Fingerprint of the satellite’s key: ${fingerprint}`,
    `Certified server names: ${['localhost', ...responded.certifiedNames].join(', ')}.`,
    ...responded.notices.map((notice) => `! ${notice}`),
    'Take the answer to the satellite and run `smart-authority sync import ANSWER`.',
  ].join('\n')
}

function printImported(imported: SyncImportResult, json: boolean): void {
  const { failure, ...document } = imported
  if (failure) throw LicensingError.fromDocument(failure)
  if (json) {
    printJson(document)
    return
  }
  printText(
    [
      imported.outcome === 'repair'
        ? 'The records of this satellite and of its manager differ, for example after a restore. Synchronize again, which sends a full report.'
        : imported.registered
          ? `The satellite is registered, and its delegation is valid until ${imported.restrictedAt}. Serve it with \`smart-authority serve\`.`
          : `Synchronized (exchange ${imported.exchange}). The delegation is valid until ${imported.restrictedAt}.`,
      ...imported.notices.map((notice) => `! ${notice}`),
      ...(imported.again && imported.outcome === 'accepted'
        ? ['This import changed data that the manager does not have yet. Synchronize again soon.']
        : []),
    ].join('\n'),
  )
}

const STATUS_LABELS: Readonly<Record<SyncStatus['status'], string>> = {
  unregistered: 'not registered yet',
  current: 'current',
  overdue: 'OVERDUE: synchronization required',
  restricted: 'RESTRICTED: no licenses are granted until the next synchronization',
  ended: 'ENDED: removed at its manager',
}

const formatSchedule = (schedule: SyncSchedule): string => {
  switch (schedule.every) {
    case 'never':
      return 'never'
    case 'day':
      return `daily at ${schedule.hour}:00 UTC`
    case 'week':
      return `weekly, on day ${schedule.day} at ${schedule.hour}:00 UTC`
    case 'month':
      return `monthly, on day ${schedule.day} at ${schedule.hour}:00 UTC`
  }
}

function formatSyncStatus(status: SyncStatus & { manager: ManagerEndpoint | null }): string {
  const { carried, lastAttempt, manager } = status
  const reason = lastAttempt?.reason
  return [
    `Satellite ${status.satellite} of ${status.smartAccount}: ${status.inDoubt ? 'RESTORED OR COPIED: nothing new is granted until the next synchronization' : STATUS_LABELS[status.status]}`,
    `key             ${status.fingerprint}`,
    `last sync       ${formatMinute(status.lastSyncAt)}`,
    `overdue from    ${formatMinute(status.overdueAt)}`,
    `restricted from ${formatMinute(status.restrictedAt)}`,
    `schedule        ${formatSchedule(status.schedule)}${status.nextSyncAt === null ? '' : `, next ${formatMinute(status.nextSyncAt)}`}`,
    `manager         ${manager === null ? 'not configured (offline)' : manager.url + (manager.via === null ? '' : ` via ${manager.via}`)}`,
    `online until    ${formatMinute(status.automaticUntil)}`,
    `redacted        ${status.redactedFields.length === 0 ? 'none' : status.redactedFields.join(', ')}`,
    ...(carried === null
      ? []
      : [`pending file    exchange ${carried.exchange}, since ${formatMinute(carried.since)}`]),
    ...(reason ? [`last failure    ${reason.message} ${reason.remedy}`] : []),
  ].join('\n')
}
