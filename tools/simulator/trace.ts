import { DAY } from '../../src/core/time.ts'
import { invariants } from './invariants.ts'
import type { SimulationResult } from './simulation.ts'

/** Maximum number of lines printed before the violation. */
const MAX_LINES = 60

/** Formats a result: a summary, the trace lines about the subject of the violation, and the violated invariant. */
export function formatTrace({ plan, lines, violation }: SimulationResult): string {
  const { seed, devices, days, faults, profile } = plan
  const head = `seed ${seed}: ${pluralize(devices, 'device', 'devices')}, ${pluralize(days, 'day', 'days')}, faults ${faults}${profile ? `, product ${profile.name}` : ''}, ${pluralize(plan.steps.length, 'step', 'steps')}`
  if (!violation) return `${head}: every invariant held, ${lines.length} events.`
  const subject = /^(device \d+|satellite \d+|the authority)/.exec(violation.message)?.[0]
  const about = lines.filter(
    (line) =>
      subject === undefined ||
      line.includes(subject) ||
      line.includes('—:') ||
      line.includes('the authority:') ||
      line.includes('satellite') ||
      line.includes('INVARIANT'),
  )
  const shown = dropRepetitions(about)
  const path = extractPath(lines, subject)
  return [
    head,
    '',
    ...(shown.length > MAX_LINES ? ['…'] : []),
    ...shown.slice(-MAX_LINES),
    '',
    ...(path.length > 0 ? [`The states of ${subject ?? 'the device'}: ${path.join(' → ')}`, ''] : []),
    `On day ${Math.floor(violation.at / DAY)} this invariant was violated: ${invariants[violation.invariant]} (${violation.invariant})`,
    violation.message,
  ].join('\n')
}

/** Maximum repetitions of a line, and the number of other lines after which it is printed again. */
const MAX_REPEATS = 2
const REPEAT_WINDOW_LINES = 12

/** Replaces repeated lines by an ellipsis. Series of failed attempts differ in their time only. */
function dropRepetitions(lines: readonly string[]): string[] {
  const seen = new Map<string, { times: number; at: number }>()
  const kept: string[] = []
  for (const [at, line] of lines.entries()) {
    const text = line.replace(/^day +\d+ \S+ +/, '')
    const before = seen.get(text)
    const times = before && at - before.at <= REPEAT_WINDOW_LINES ? before.times + 1 : 1
    seen.set(text, { times, at })
    if (times <= MAX_REPEATS) kept.push(line)
    else if (kept.at(-1) !== '          …') kept.push('          …')
  }
  return kept
}

const pluralize = (number: number, singular: string, plural: string): string =>
  `${number} ${number === 1 ? singular : plural}`

/** Returns the states of one device, in order. */
function extractPath(lines: readonly string[], subject: string | undefined): string[] {
  const path: string[] = []
  for (const line of lines) {
    const [, name, from, to] = /  (device \d+): \S+: (\S+) \(.*\) → (\S+) \(/.exec(line) ?? []
    if (name !== subject || from === undefined || to === undefined) continue
    if (path.length === 0) path.push(from)
    if (path.at(-1) !== to) path.push(to)
  }
  return path
}
