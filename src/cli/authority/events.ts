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
    .description('the event log, oldest first; with --format all of it, for a file')
    .option('--limit <n>', 'how many of the newest (default: 1000; all of them with --format)')
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--instance <id>', 'of one product instance only')
    .addOption(new Option('--severity <severity>', 'of one severity only').choices(SEVERITIES))
    .option('--since <time>', 'from this time on: 2026-11-25, or 2026-11-25T08:00:00Z')
    .option('--until <time>', 'before this time')
    .addOption(new Option('--format <format>', 'export it').choices(['csv', 'jsonl']))
    .option('--out <file>', 'with --format: where to write it; - for standard output')
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
            throw new LicensingError('USAGE', 'An export has no limit: give --since and --until.')
          await exportEvents(authority.operations.events.export(filter), format, out ?? '-', json())
          return
        }
        if (out !== undefined) throw new LicensingError('USAGE', '--out is for an export: give --format too.')
        const events = await authority.operations.events.list({
          ...filter,
          limit: parseWholeNumber(options.limit ?? '1000', 'limit'),
        })
        if (json()) printJson({ events })
        else
          for (const one of events)
            printText(
              `${one.at}  ${one.severity.padEnd(5)}  ${one.type.padEnd(24)}  ${one.message}${one.who === null ? '' : ` (${one.who})`}`,
            )
      }),
    )
}

/** A day or a time of the command line; without a zone it is UTC. @throws LicensingError INVALID_ARGUMENT */
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

/** Writes the event log, a page at a time. @throws LicensingError FILE_UNWRITABLE, USAGE */
async function exportEvents(
  pages: AsyncIterable<readonly EventDocument[]>,
  format: 'csv' | 'jsonl',
  out: string,
  json: boolean,
): Promise<void> {
  if (json && out === '-')
    throw new LicensingError('USAGE', 'With --json the export goes into a file: name one with --out.')
  const { exportEvents: eventLines } = await import('../../authority/events/event-export.ts')
  const { writeStream } = await import('../write-stream.ts')
  const bytes = await writeStream(out, eventLines(pages, format))
  if (json) printJson({ out, bytes })
  else if (out !== '-') printText(`The event log is in ${out}.`)
}
