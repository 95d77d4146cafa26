import type { Instant } from './time.ts'
import type { Context, InstalledAuthorization, ReservedLicense } from './agent-context.ts'

/**
 * Specific license reservation, as pure functions over the facts: what is reserved at an instant, whether it covers
 * what is in use, and which ends of terms are to be told (guide, "License Reservation"; R-HOST-9).
 */

const isActive = ({ endsAt }: ReservedLicense, at: Instant): boolean => endsAt === null || at < endsAt

/** How many of a tag are reserved at an instant: terms that have ended do not count. */
export const countReserved = (grant: InstalledAuthorization, tag: string, at: Instant): number =>
  grant.licenses.reduce((sum, one) => (one.tag === tag && isActive(one, at) ? sum + one.count : sum), 0)

/** The tags of which more is in use than is reserved: each of them, and the whole, is not authorized. */
export function findShortfalls({ reservation, usage }: Context, at: Instant): string[] {
  const { current } = reservation
  if (current === null || current.stage === 'requested') return []
  return Object.entries(usage.counts)
    .filter(([tag, count]) => count > countReserved(current.grant, tag, at))
    .map(([tag]) => tag)
}

/** Whether the box may do everything: an installed reservation covers all that is in use, and is not being returned. */
export const isCovered = (context: Context, at: Instant): boolean =>
  context.reservation.current?.stage === 'installed' && findShortfalls(context, at).length === 0

/** What is in use beyond what is reserved, tag by tag, in words. */
export function describeShortfalls(context: Context, at: Instant): string {
  const { current } = context.reservation
  if (current?.stage !== 'installed') return 'the reservation is being returned'
  return findShortfalls(context, at)
    .map(
      (tag) =>
        `${tag}: ${context.usage.counts[tag] ?? 0} in use, ${countReserved(current.grant, tag, at)} reserved`,
    )
    .join('; ')
}

/** A term of reserved licenses that ends soon, or has ended: said once for each warning. */
export interface TermNotice {
  readonly tag: string
  readonly count: number
  readonly endsAt: Instant
  readonly ended: boolean
}

/** The warnings that were not told yet, in seconds before the end; 0 is the end itself. */
const remainingWarnings = ({ lastWarningSeconds }: ReservedLicense, warnings: readonly number[]): number[] =>
  [...warnings, 0].filter((seconds) => lastWarningSeconds === null || seconds < lastWarningSeconds)

/** The smallest warning that has come; null when none has. */
function dueWarning(license: ReservedLicense, at: Instant, warnings: readonly number[]): number | null {
  const { endsAt } = license
  if (endsAt === null) return null
  const now = remainingWarnings(license, warnings).filter((seconds) => at >= endsAt - seconds * 1000)
  return now.length === 0 ? null : Math.min(...now)
}

/** What is to be told at an instant of the terms of a reservation. */
export const pendingTermNotices = (
  grant: InstalledAuthorization,
  at: Instant,
  warnings: readonly number[],
): TermNotice[] =>
  grant.licenses.flatMap((license) =>
    license.endsAt === null || dueWarning(license, at, warnings) === null
      ? []
      : [{ tag: license.tag, count: license.count, endsAt: license.endsAt, ended: at >= license.endsAt }],
  )

/** The reservation with what was told at an instant noted. */
export const markTermsNotified = (
  grant: InstalledAuthorization,
  at: Instant,
  warnings: readonly number[],
): InstalledAuthorization => ({
  ...grant,
  licenses: grant.licenses.map((license) => ({
    ...license,
    lastWarningSeconds: dueWarning(license, at, warnings) ?? license.lastWarningSeconds,
  })),
})

/** The next instant at which there is something to tell, or a term ends; null when none is left. */
export function nextTermDeadline(grant: InstalledAuthorization, warnings: readonly number[]): Instant | null {
  const instants = grant.licenses.flatMap((license) => {
    const { endsAt } = license
    return endsAt === null
      ? []
      : remainingWarnings(license, warnings).map((seconds) => endsAt - seconds * 1000)
  })
  return instants.length === 0 ? null : Math.min(...instants)
}
