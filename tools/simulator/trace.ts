import { DAY } from '../../src/core/time.ts'
import { invariants } from './invariants.ts'
import type { SimulationResult } from './simulation.ts'

/** Lines that are told of what happened before something was not as it must be. */
const MAX_LINES = 60

/** A history as it is told: what was to happen, what came of it for those it is about, and what was not so. */
export function formatTrace({ plan, lines, violation }: SimulationResult): string {
  const { seed, boxes, days, faults } = plan
  const head = `seed ${seed}: ${pluralize(boxes, 'box', 'boxes')}, ${pluralize(days, 'day', 'days')}, faults ${faults}, ${pluralize(plan.steps.length, 'step', 'steps')}`
  if (!violation) return `${head}: every invariant held, through ${lines.length} happenings.`
  const whom = /^(box \d+|satellite \d+|the authority)/.exec(violation.message)?.[0]
  const about = lines.filter(
    (line) =>
      whom === undefined ||
      line.includes(whom) ||
      line.includes('—:') ||
      line.includes('the authority:') ||
      line.includes('satellite') ||
      line.includes('INVARIANT'),
  )
  const shown = dropRepetitions(about)
  const path = extractPath(lines, whom)
  return [
    head,
    '',
    ...(shown.length > MAX_LINES ? ['…'] : []),
    ...shown.slice(-MAX_LINES),
    '',
    ...(path.length > 0 ? [`The chart of ${whom ?? 'the box'}: ${path.join(' → ')}`, ''] : []),
    `On day ${Math.floor(violation.at / DAY)} this was not so: ${invariants[violation.invariant]} (${violation.invariant})`,
    violation.message,
  ].join('\n')
}

/** How often the same may happen to the same until it is not told any more, and after how many other lines it is news again. */
const MAX_REPEATS = 2
const REPEAT_WINDOW_LINES = 12

/** Attempts that fail one after the other are told of twice: what follows is the same but for its time. */
function dropRepetitions(lines: readonly string[]): string[] {
  const seen = new Map<string, { times: number; at: number }>()
  const kept: string[] = []
  for (const [at, line] of lines.entries()) {
    const what = line.replace(/^day +\d+ \S+ +/, '')
    const before = seen.get(what)
    const times = before && at - before.at <= REPEAT_WINDOW_LINES ? before.times + 1 : 1
    seen.set(what, { times, at })
    if (times <= MAX_REPEATS) kept.push(line)
    else if (kept.at(-1) !== '          …') kept.push('          …')
  }
  return kept
}

const pluralize = (number: number, one: string, many: string): string =>
  `${number} ${number === 1 ? one : many}`

/** The states of one box, in their order. */
function extractPath(lines: readonly string[], whom: string | undefined): string[] {
  const path: string[] = []
  for (const line of lines) {
    const [, who, from, to] = /  (box \d+): \S+: (\S+) \(.*\) → (\S+) \(/.exec(line) ?? []
    if (who !== whom || from === undefined || to === undefined) continue
    if (path.length === 0) path.push(from)
    if (path.at(-1) !== to) path.push(to)
  }
  return path
}
