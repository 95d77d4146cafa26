import { DAY } from '../domain/instant.ts'
import { invariants } from './invariants.ts'
import type { History } from './simulation.ts'

/** Lines that are told of what happened before something was not as it must be. */
const MOST_LINES = 60

/** A history as it is told: what was to happen, what came of it for those it is about, and what was not so. */
export function tellStory({ plan, lines, violation }: History): string {
  const { seed, boxes, days, faults } = plan
  const head = `seed ${seed}: ${count(boxes, 'box', 'boxes')}, ${count(days, 'day', 'days')}, faults ${faults}, ${count(plan.steps.length, 'step', 'steps')}`
  if (!violation) return `${head}: every invariant held, through ${lines.length} happenings.`
  const whom = /^(box \d+|the authority)/.exec(violation.message)?.[0]
  const about = lines.filter((line) => whom === undefined || line.includes(whom) || line.includes('—:') || line.includes('the authority:') || line.includes('INVARIANT'))
  const path = pathOf(lines, whom)
  return [
    head,
    '',
    ...(about.length > MOST_LINES ? ['…'] : []),
    ...about.slice(-MOST_LINES),
    '',
    ...(path.length > 0 ? [`The chart of ${whom ?? 'the box'}: ${path.join(' → ')}`, ''] : []),
    `On day ${Math.floor(violation.at / DAY)} this was not so: ${invariants[violation.invariant]} (${violation.invariant})`,
    violation.message,
  ].join('\n')
}

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`

/** The states of one box, in their order. */
function pathOf(lines: readonly string[], whom: string | undefined): string[] {
  const path: string[] = []
  for (const line of lines) {
    const [, who, from, to] = /  (box \d+): \S+: (\S+) \(.*\) → (\S+) \(/.exec(line) ?? []
    if (who !== whom || from === undefined || to === undefined) continue
    if (path.length === 0) path.push(from)
    if (path.at(-1) !== to) path.push(to)
  }
  return path
}
