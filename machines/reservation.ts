import type { Instant } from './time.ts'
import type { Context, InstalledAuthorization, ReservedLicense } from './agent-context.ts'

/**
 * Pure functions for specific license reservation: reserved counts, coverage of the usage, and due warnings about
 * ending terms (planning guide, "License Reservation"; R-HOST-9).
 */

const isActive = ({ endsAt }: ReservedLicense, at: Instant): boolean => endsAt === null || at < endsAt

/** Counts the licenses of a tag that are reserved at an instant. Ended terms do not count. */
export const countReserved = (grant: InstalledAuthorization, tag: string, at: Instant): number =>
  grant.licenses.reduce(
    (sum, license) => (license.tag === tag && isActive(license, at) ? sum + license.count : sum),
    0,
  )

/**
 * Returns the tags with more licenses in use than the installed reservation contains. With any such tag, the device is
 * not authorized. Without an installed reservation, the list is empty.
 */
export function findShortfalls({ reservation, usage }: Context, at: Instant): string[] {
  const grant = reservation.current?.grant
  if (!grant) return []
  return Object.entries(usage.counts)
    .filter(([tag, count]) => count > countReserved(grant, tag, at))
    .map(([tag]) => tag)
}

/** Describes for each uncovered tag how many licenses are in use and how many are reserved. */
export function describeShortfalls(context: Context, at: Instant): string {
  const { current } = context.reservation
  if (!current?.grant || current.returnCode !== null) return 'the reservation is being returned'
  const { grant } = current
  return findShortfalls(context, at)
    .map(
      (tag) => `${tag}: ${context.usage.counts[tag] ?? 0} in use, ${countReserved(grant, tag, at)} reserved`,
    )
    .join('; ')
}

/** Term of reserved licenses that ends soon or has ended. */
export interface TermNotice {
  readonly tag: string
  readonly count: number
  readonly endsAt: Instant
  readonly ended: boolean
}

/** Returns the warning thresholds not reported yet, in seconds before the end. 0 stands for the end itself. */
const listRemainingWarnings = (
  { lastWarningSeconds }: ReservedLicense,
  warnings: readonly number[],
): number[] =>
  [...warnings, 0].filter((seconds) => lastWarningSeconds === null || seconds < lastWarningSeconds)

/** Returns the smallest threshold reached, in seconds before the end. Null when no warning is due. */
function findDueWarning(license: ReservedLicense, at: Instant, warnings: readonly number[]): number | null {
  const { endsAt } = license
  if (endsAt === null) return null
  const reached = listRemainingWarnings(license, warnings).filter((seconds) => at >= endsAt - seconds * 1000)
  return reached.length === 0 ? null : Math.min(...reached)
}

/** Returns the term notices of a reservation that are due at an instant. */
export const listDueTermNotices = (
  grant: InstalledAuthorization,
  at: Instant,
  warnings: readonly number[],
): TermNotice[] =>
  grant.licenses.flatMap((license) =>
    license.endsAt === null || findDueWarning(license, at, warnings) === null
      ? []
      : [{ tag: license.tag, count: license.count, endsAt: license.endsAt, ended: at >= license.endsAt }],
  )

/** Returns a copy of the reservation that marks the notices due at an instant as reported. */
export const markTermsNotified = (
  grant: InstalledAuthorization,
  at: Instant,
  warnings: readonly number[],
): InstalledAuthorization => ({
  ...grant,
  licenses: grant.licenses.map((license) => ({
    ...license,
    lastWarningSeconds: findDueWarning(license, at, warnings) ?? license.lastWarningSeconds,
  })),
})

/** Returns the next instant of a term warning or term end. Null when none remains. */
export function nextTermDeadline(grant: InstalledAuthorization, warnings: readonly number[]): Instant | null {
  const instants = grant.licenses.flatMap((license) => {
    const { endsAt } = license
    return endsAt === null
      ? []
      : listRemainingWarnings(license, warnings).map((seconds) => endsAt - seconds * 1000)
  })
  return instants.length === 0 ? null : Math.min(...instants)
}
