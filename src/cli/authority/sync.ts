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
  const sync = createCommand('sync').description('the synchronization of a satellite with its manager')
  sync
    .command('status')
    .description('how this satellite stands with its manager')
    .action(() =>
      withAuthority(async (authority) => {
        const status = await authority.sync.status()
        if (json()) printJson(status)
        else printText(formatSyncStatus(status))
      }),
    )
  sync
    .command('export')
    .description('on a satellite: write the request that is carried to the manager')
    .argument('<file>')
    .option('--redact <what>', `what is not told from now on: ${REDACTABLE_FIELDS.join(', ')}, or nothing`)
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
    .description('on a satellite: take the answer of the manager')
    .argument('<file>')
    .option('--trust-fingerprint <fingerprint>', 'the fingerprint of the manager’s root, the first time')
    .option('--yes', 'take the root certificate in the first answer unseen')
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
    .command('run')
    .description('on a satellite: synchronize by wire, now')
    .option(
      '--code-file <file>',
      'read the one-time code of a first exchange from a file; - for standard input',
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
    .description('on a satellite: when it synchronizes by itself, while it is served')
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
        const endpoint = await authority.sync.setManager(await parseEndpoint(url, options))
        if (json()) printJson(endpoint)
        else printText(`${formatEndpoint(endpoint)}. Try it with \`sync run\`.`)
      }),
    )
  sync
    .command('redact')
    .description('on a satellite: what is not told to the manager from the next exchange on')
    .argument('<what>', `${REDACTABLE_FIELDS.join(', ')}, or nothing`)
    .action((what: string) =>
      withAuthority(async (authority) => {
        const { redactedFields } = await authority.sync.setRedactedFields(parseRedactedFields(what))
        if (json()) printJson({ redactedFields })
        else printText(`Left out: ${redactedFields.length === 0 ? 'nothing' : redactedFields.join(', ')}.`)
      }),
    )
  return sync
}

/** Words go to standard error where the file itself goes to standard output. */
function print(out: string, text: string): void {
  if (out === '-') process.stderr.write(`${text}\n`)
  else printText(text)
}

function assertNotStandardOutput(out: string, json: boolean): void {
  if (out === '-' && json)
    throw new LicensingError('USAGE', 'With --json the file cannot go to standard output: name a file.')
}

/** @throws LicensingError INVALID_ARGUMENT */
function parseRedactedFields(text: string): RedactableField[] {
  if (text.trim() === 'nothing') return []
  return text.split(',').map((word) => {
    const known = REDACTABLE_FIELDS.find((one) => one === word.trim())
    if (known) return known
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(word.trim())} cannot be left out: it is ${REDACTABLE_FIELDS.join(' or ')}, or nothing.`,
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
        `A satellite synchronizes never, daily, weekly or monthly, not ${JSON.stringify(every)}.`,
      )
  }
}

function formatResponded(responded: Omit<SyncResponse, 'file'>): string {
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
        ? 'The manager knows another history of this satellite, as after a restore. Make another exchange: it reports everything.'
        : imported.registered
          ? `The satellite is registered, and good until ${imported.restrictedAt}. Serve it with \`smart-authority serve\`.`
          : `Synchronized (exchange ${imported.exchange}), and good until ${imported.restrictedAt}.`,
      ...imported.notices.map((notice) => `! ${notice}`),
      ...(imported.again && imported.outcome === 'accepted'
        ? ['The manager should hear of what this changed: make another exchange when you can.']
        : []),
    ].join('\n'),
  )
}

const STATUS_LABELS: Readonly<Record<SyncStatus['status'], string>> = {
  unregistered: 'not registered yet',
  current: 'in touch with its manager',
  overdue: 'OVERDUE: a synchronization is needed',
  restricted: 'RESTRICTED: nothing is granted until it synchronizes',
  ended: 'ENDED: its manager knows it no more',
}

const formatSchedule = (schedule: SyncSchedule): string => {
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

function formatSyncStatus(status: SyncStatus & { manager: ManagerEndpoint | null }): string {
  const { carried, lastAttempt, manager } = status
  const reason = lastAttempt?.reason
  return [
    `Satellite ${status.satellite} of ${status.smartAccount}: ${status.inDoubt ? 'RESTORED OR COPIED: nothing new is promised until it has synchronized' : STATUS_LABELS[status.status]}`,
    `key             ${status.fingerprint}`,
    `last sync       ${formatMinute(status.lastSyncAt)}`,
    `overdue from    ${formatMinute(status.overdueAt)}`,
    `restricted from ${formatMinute(status.restrictedAt)}`,
    `schedule        ${formatSchedule(status.schedule)}${status.nextSyncAt === null ? '' : `, next ${formatMinute(status.nextSyncAt)}`}`,
    `manager         ${manager === null ? 'no address: by hand' : manager.url + (manager.via === null ? '' : ` by ${manager.via}`)}`,
    `by itself until ${formatMinute(status.automaticUntil)}`,
    `left out        ${status.redactedFields.length === 0 ? 'nothing' : status.redactedFields.join(', ')}`,
    ...(carried === null
      ? []
      : [`carried         exchange ${carried.exchange}, since ${formatMinute(carried.since)}`]),
    ...(reason ? [`last failure    ${reason.message} ${reason.remedy}`] : []),
  ].join('\n')
}
