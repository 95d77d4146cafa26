import type { Instant } from './time.ts'
import type { Context, Grant, ReservedLicense } from './agent-context.ts'

/**
 * Specific licence reservation, as pure functions over the facts: what is reserved at an instant, whether it covers
 * what is in use, and which ends of terms are to be told (guide, "License Reservation"; R-HOST-9).
 */

const lasts = ({ endsAt }: ReservedLicense, at: Instant): boolean => endsAt === null || at < endsAt

/** How many of a tag are reserved at an instant: terms that have ended do not count. */
export const reservedCount = (grant: Grant, tag: string, at: Instant): number =>
  grant.licenses.reduce((sum, one) => (one.tag === tag && lasts(one, at) ? sum + one.count : sum), 0)

/** The tags of which more is in use than is reserved: each of them, and the whole, is not authorized. */
export function uncovered({ reservation, usage }: Context, at: Instant): string[] {
  const { current } = reservation
  if (current === null || current.stage === 'requested') return []
  return Object.entries(usage.counts)
    .filter(([tag, count]) => count > reservedCount(current.grant, tag, at))
    .map(([tag]) => tag)
}

/** Whether the box may do everything: an installed reservation covers all that is in use, and is not being returned. */
export const covered = (context: Context, at: Instant): boolean =>
  context.reservation.current?.stage === 'installed' && uncovered(context, at).length === 0

/** What is in use beyond what is reserved, tag by tag, in words. */
export function uncoveredWords(context: Context, at: Instant): string {
  const { current } = context.reservation
  if (current?.stage !== 'installed') return 'the reservation is being returned'
  return uncovered(context, at)
    .map(
      (tag) =>
        `${tag}: ${context.usage.counts[tag] ?? 0} in use, ${reservedCount(current.grant, tag, at)} reserved`,
    )
    .join('; ')
}

/** A term of reserved licences that ends soon, or has ended: said once for each warning. */
export interface TermNews {
  readonly tag: string
  readonly count: number
  readonly endsAt: Instant
  readonly ended: boolean
}

/** The warnings that were not told yet, in seconds before the end; 0 is the end itself. */
const untold = ({ told }: ReservedLicense, warnings: readonly number[]): number[] =>
  [...warnings, 0].filter((seconds) => told === null || seconds < told)

/** The smallest warning that has come; null when none has. */
function come(license: ReservedLicense, at: Instant, warnings: readonly number[]): number | null {
  const { endsAt } = license
  if (endsAt === null) return null
  const now = untold(license, warnings).filter((seconds) => at >= endsAt - seconds * 1000)
  return now.length === 0 ? null : Math.min(...now)
}

/** What is to be told at an instant of the terms of a reservation. */
export const termNews = (grant: Grant, at: Instant, warnings: readonly number[]): TermNews[] =>
  grant.licenses.flatMap((license) =>
    license.endsAt === null || come(license, at, warnings) === null
      ? []
      : [{ tag: license.tag, count: license.count, endsAt: license.endsAt, ended: at >= license.endsAt }],
  )

/** The reservation with what was told at an instant noted. */
export const toldTerms = (grant: Grant, at: Instant, warnings: readonly number[]): Grant => ({
  ...grant,
  licenses: grant.licenses.map((license) => ({
    ...license,
    told: come(license, at, warnings) ?? license.told,
  })),
})

/** The next instant at which there is something to tell, or a term ends; null when none is left. */
export function nextTermAt(grant: Grant, warnings: readonly number[]): Instant | null {
  const instants = grant.licenses.flatMap((license) => {
    const { endsAt } = license
    return endsAt === null ? [] : untold(license, warnings).map((seconds) => endsAt - seconds * 1000)
  })
  return instants.length === 0 ? null : Math.min(...instants)
}
