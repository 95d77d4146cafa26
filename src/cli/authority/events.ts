import { type Command, Option } from 'commander'
import type { EventDocument } from '../../authority/events/event-log.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

interface EventOptions {
  limit?: string
  virtualAccount?: string
  instance?: string
  severity?: EventDocument['severity']
  since?: string
  until?: string
  format?: 'csv' | 'jsonl'
  out?: string
}

const SEVERITIES = ['info', 'minor', 'major'] as const satisfies readonly EventDocument['severity'][]

/** Creates the command `events`. */
export function createEventsCommand({ json, withAuthority }: AuthorityCli): Command {
  return createCommand('events')
    .description('list the event log, oldest first, or export it with --format')
    .option('--limit <n>', 'number of newest events (default: 1000; all with --format)')
    .option('--virtual-account <name>', 'limit to one virtual account')
    .option('--instance <id>', 'limit to one product instance')
    .addOption(new Option('--severity <severity>', 'limit to one severity').choices(SEVERITIES))
    .option('--since <time>', 'start of the period, inclusive: 2026-11-25, or 2026-11-25T08:00:00Z')
    .option('--until <time>', 'end of the period, exclusive')
    .addOption(new Option('--format <format>', 'export in this format').choices(['csv', 'jsonl']))
    .option('--out <file>', 'output file of an export; - for standard output')
    .action((options: EventOptions) =>
      withAuthority(async (authority, where) => {
        const { virtualAccount, instance, severity, format, out } = options
        const filter = {
          ...where,
          virtualAccount,
          instanceId: instance,
          severity,
          since: options.since === undefined ? undefined : parseInstant(options.since),
          until: options.until === undefined ? undefined : parseInstant(options.until),
        }
        if (format !== undefined) {
          if (options.limit !== undefined)
            throw new LicensingError(
              'USAGE',
              '--limit cannot be combined with --format. Use --since and --until.',
            )
          await exportEvents(authority.operations.events.export(filter), format, out ?? '-', json())
          return
        }
        if (out !== undefined) throw new LicensingError('USAGE', '--out requires --format.')
        const events = await authority.operations.events.list({
          ...filter,
          limit: parseWholeNumber(options.limit ?? '1000', 'limit'),
        })
        if (json()) printJson({ events })
        else
          for (const { at, severity, type, message, who } of events)
            printText(
              `${at}  ${severity.padEnd(5)}  ${type.padEnd(24)}  ${message}${who === null ? '' : ` (${who})`}`,
            )
      }),
    )
}

/** Parses a date or a time. The default time zone is UTC. @throws LicensingError INVALID_ARGUMENT */
function parseInstant(text: string): number {
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text.includes('T') && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text)
    : NaN
  if (!Number.isNaN(at)) return at
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The time ${JSON.stringify(text)} is not of the form 2026-11-25 or 2026-11-25T08:00:00Z.`,
  )
}

/** Writes the event log page by page. @throws LicensingError FILE_UNWRITABLE, USAGE */
async function exportEvents(
  pages: AsyncIterable<readonly EventDocument[]>,
  format: 'csv' | 'jsonl',
  out: string,
  json: boolean,
): Promise<void> {
  if (json && out === '-')
    throw new LicensingError(
      'USAGE',
      'With --json, the export cannot go to standard output. Name a file with --out.',
    )
  const { exportEvents: eventLines } = await import('../../authority/events/event-export.ts')
  const { writeStream } = await import('../write-stream.ts')
  const bytes = await writeStream(out, eventLines(pages, format))
  if (json) printJson({ out, bytes })
  else if (out !== '-') printText(`The event log was written to ${out}.`)
}
