import { type Command, Option } from 'commander'
import type { Event } from '../../../machines/agent-machine.types.ts'
import type { AuthorityBehavior, WhatIfRun } from '../../../machines/what-if.ts'
import type { PastSnapshot } from '../../agent/inspection.ts'
import { LicensingError } from '../../core/errors.ts'
import { createCommand } from '../create-command.ts'
import { parsePositiveInteger } from '../parse-positive-integer.ts'
import { printJson, printText } from '../output.ts'
import type { AgentCli } from './agent-cli.ts'

const BEHAVIORS: readonly AuthorityBehavior[] = ['reachable', 'unreachable', 'refusing', 'short']

interface Options {
  readonly days: string
  readonly authority: AuthorityBehavior
  readonly after?: string
  readonly send?: readonly string[]
}

/** Creates the command `what-if`, which runs a copy of the machine into the future. */
export function createWhatIfCommand({ json, dataDir, call }: AgentCli): Command {
  return createCommand('what-if')
    .description('show what would happen to a copy of this device, or of a new one: nothing real is touched')
    .requiredOption('--days <n>', 'days that pass, 0 to 3650')
    .addOption(
      new Option('--authority <behavior>', 'behavior of the license server in that time')
        .choices(BEHAVIORS)
        .default('reachable'),
    )
    .option('--after <id>', 'begin after a past transition, by its id in `events --json`; default: now')
    .option('--send <event...>', 'events that happen at the beginning: TYPE, or TYPE=JSON with a payload')
    .action(async ({ days, authority, after, send = [] }: Options) => {
      const [machines, { SmartAgent }] = await Promise.all([
        import('../../../machines/index.ts'),
        import('../../index.ts'),
      ])
      const duration = days.trim() === '' ? NaN : Number(days)
      if (!(duration >= 0 && duration <= machines.MAX_WHAT_IF_DAYS))
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `--days must be a number from 0 to ${machines.MAX_WHAT_IF_DAYS}.`,
        )
      const hasDevice = SmartAgent.exists(dataDir())
      if (after !== undefined && !hasDevice)
        throw new LicensingError('INVALID_ARGUMENT', '--after needs a device: here is none yet.')
      const start = hasDevice
        ? await call<PastSnapshot>(
            'snapshot',
            after === undefined ? {} : { id: parsePositiveInteger(after, '--after') },
          )
        : { at: Date.now(), snapshot: machines.initialTransition(Date.now()).snapshot }
      const events = send.length === 0 ? [] : await parseEvents(send, start.at)
      const run = machines.whatIf(start.snapshot, { from: start.at, days: duration, authority, events })
      if (json()) printJson(toDocument(run))
      else await printRun(run, start.at, start.at + duration * machines.DAY)
    })
}

/** Parses events such as `usage.changed={"tag":"HOST","count":9}`. @throws LicensingError INVALID_ARGUMENT */
async function parseEvents(texts: readonly string[], at: number): Promise<Event[]> {
  const { EVENT_SCHEMAS } = await import('../../inspection/event-schemas.ts')
  return texts.map((text) => {
    const [type = '', ...rest] = text.split('=')
    const schema = Object.entries(EVENT_SCHEMAS).find(([name]) => name === type)?.[1]
    if (!schema)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(type)} is no event of the machine. The events are ${Object.keys(EVENT_SCHEMAS).join(', ')}.`,
      )
    const parsed = schema.safeParse(rest.length === 0 ? {} : parseJson(rest.join('=')))
    if (parsed.success) return { ...parsed.data, type, at } as Event
    const [issue] = parsed.error.issues
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The payload of ${type} is not valid at ${['payload', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? ''}.`,
    )
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const toIso = (at: number): string => new Date(at).toISOString()

/** Returns a run for `--json`, without the last snapshot. */
const toDocument = ({ end: _end, moves, states, functionality, ...counts }: WhatIfRun) => ({
  states: states.map(({ value, from, to }) => ({ state: value, from: toIso(from), to: toIso(to) })),
  functionality: functionality.map(({ value, from, to }) => ({
    functionality: value,
    from: toIso(from),
    to: toIso(to),
  })),
  moves: moves.map(({ at, ...move }) => ({ at: toIso(at), ...move })),
  ...counts,
})

async function printRun(run: WhatIfRun, from: number, to: number): Promise<void> {
  const [{ formatPlural, formatMinute }, { listMoves, summarize }, { STATE_NAMES }, { printTable }] =
    await Promise.all([
      import('../../inspection/utc-time.ts'),
      import('../../inspection/run-summary.ts'),
      import('../../inspection/state-names.ts'),
      import('../table.ts'),
    ])
  const { title, detail } = summarize(run, from, to)
  printText(`${title}. ${detail}\n`)
  await printTable(
    ['Day', 'Date', 'What would happen', 'State', 'Code'],
    listMoves(run, from).map(({ day, at, text, state, codes }) => [
      day,
      formatMinute(at),
      text,
      state === null ? 'no change' : STATE_NAMES[state],
      codes.join(', '),
    ]),
  )
  if (run.ignored.length > 0) printText(`\nNot handled in its state: ${run.ignored.join(', ')}.`)
  const { answered, unanswered } = run.attempts
  printText(
    `\n${formatPlural(run.steps, 'step')} of the machine; ${formatPlural(answered, 'attempt')} answered, ${formatPlural(unanswered, 'attempt')} without answer. Nothing real was touched.`,
  )
}
