import type { Transition } from '../source.ts'
import { formatDay, formatPlural } from '../../../inspection/utc-time.ts'
import { describeRow, findRequest, isRetry, parseOutcome, readChange, requests } from './describe-row.ts'

/** One step of how a change came about: a row, or a sentence about several. */
export interface Cause {
  readonly at: number
  readonly text: string
}

/** Longest chain of causes. */
const MAX_CAUSES = 6

/**
 * Finds how a transition came about: the rows that led to it, oldest first, ending with the transition itself.
 *
 * @param rows transitions before it and the transition itself, oldest first
 */
export function findCauses(rows: readonly Transition[], row: Transition): Cause[] {
  const earlier = rows.filter(({ id }) => id < row.id)
  const expiry = explainExpiry(earlier, row)
  if (expiry) return [...expiry, toCause(row)]
  const chain: Cause[] = [toCause(row)]
  let current = row
  while (chain.length < MAX_CAUSES) {
    const cause = findCause(earlier, current)
    if (!cause) break
    if (isUsageReport(earlier, current))
      chain[0] = { ...toCause(current), text: describeReport(cause, current) }
    chain.unshift(toCause(cause))
    current = cause
  }
  return chain
}

const toCause = (row: Transition): Cause => ({ at: Date.parse(row.at), text: describeRow(row) })

/** Finds the row that caused another: the request of an answer, or the change of usage that a tick reported. */
function findCause(rows: readonly Transition[], row: Transition): Transition | undefined {
  const outcome = parseOutcome(row.event)
  if (outcome) return rows.findLast((other) => other.id < row.id && requests(other, outcome.kind))
  if (isUsageReport(rows, row)) return findUsageChange(rows, row)
  const kind = row.event === 'clock.tick' ? findRequest(row) : null
  if (kind === null || !isRetry(row, kind)) return undefined
  return rows.findLast((other) => other.id < row.id && other.event === `${kind}.unreachable`)
}

const findUsageChange = (rows: readonly Transition[], row: Transition): Transition | undefined =>
  rows.findLast(({ id, changes }) => id < row.id && changes.some(({ path }) => path === 'usage.reportAt'))

/** Checks whether a tick sent a request because changed usage was due to be reported. */
function isUsageReport(rows: readonly Transition[], row: Transition): boolean {
  if (row.event !== 'clock.tick' || !requests(row, 'authorize')) return false
  const change = findUsageChange(rows, row)
  const reportAt = change && readChange(change, 'usage.reportAt')
  return typeof reportAt === 'number' && reportAt <= Date.parse(row.at)
}

function describeReport(change: Transition, row: Transition): string {
  const seconds = Math.round((Date.parse(row.at) - Date.parse(change.at)) / 1000)
  return `The change was reported after ${formatPlural(seconds, 'second')}`
}

/** Explains a change that silence caused: the last answer, and the attempts since. Null for other changes. */
function explainExpiry(rows: readonly Transition[], row: Transition): Cause[] | null {
  if (row.event !== 'clock.tick' || row.before.state === row.after.state) return null
  if (row.after.state === 'auth-expired') return explainSilence(rows, ['authorize'])
  if (row.after.registration === 'unregistered.expired') return explainSilence(rows, ['renew', 'register'])
  const warnings = rows.filter(({ notices }) =>
    notices.some(({ notice }) => notice === 'EVAL_EXPIRED_WARNING'),
  )
  return warnings.slice(-3).map(toCause)
}

function explainSilence(rows: readonly Transition[], kinds: readonly string[]): Cause[] {
  const isOutcome = ({ event }: Transition, outcome: string) =>
    kinds.some((kind) => event === `${kind}.${outcome}`)
  const last = rows.findLast((row) => isOutcome(row, 'accepted'))
  const failed = rows.filter((row) => row.id > (last?.id ?? 0) && isOutcome(row, 'unreachable'))
  const [first] = failed
  const end = failed.at(-1)
  return [
    ...(last ? [{ at: Date.parse(last.at), text: 'The last answer of the license server' }] : []),
    ...(first && end
      ? [
          {
            at: Date.parse(first.at),
            text: `${formatPlural(failed.length, 'attempt')} without answer until ${formatDay(Date.parse(end.at))}`,
          },
        ]
      : []),
  ]
}
