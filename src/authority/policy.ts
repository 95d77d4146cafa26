import { createHash } from 'node:crypto'
import { DAY, HOUR, type Instant } from '../core/time.ts'
import type { ErrorCode } from '../core/errors.ts'

/** Lifetimes of ID certificates and authorizations, in milliseconds. */
export const IDENTITY_LIFETIME = 365 * DAY
export const AUTHORIZATION_LIFETIME = 90 * DAY
/** The period of routine contact, and how much earlier the authority may ask a device to return, in milliseconds. */
const CONTACT_PERIOD = 30 * DAY
const MAX_EARLY_CONTACT = 3 * DAY

/**
 * Spreads the next contacts of devices that came at the same time.
 *
 * @param chance a random number from 0 to 1
 * @returns the delay until the next contact, in milliseconds. It is never longer than the routine period
 */
export const jitterContactDelay = (chance: number): number =>
  CONTACT_PERIOD - Math.floor(chance * MAX_EARLY_CONTACT)

/** Certificates and deadlines are backdated by this many milliseconds, because clocks of devices may lag. */
export const BACKDATE_MS = 5 * 60_000

/** State of a registration token that decides on its use. */
export interface TokenState {
  readonly revokedAt: Instant | null
  readonly expiresAt: Instant
  readonly uses: number
  readonly maxUses: number
  /** True if a restored token has not been reviewed. */
  readonly inReview: boolean
}

/** Returns the reason to refuse a token at an instant, or null if the token is valid (R-TOK-4). */
export function getTokenRefusal(token: TokenState, at: Instant): { code: ErrorCode; message: string } | null {
  if (token.revokedAt !== null) {
    return {
      code: 'TOKEN_REVOKED',
      message: `The token was revoked at ${new Date(token.revokedAt).toISOString()}.`,
    }
  }
  if (token.inReview) {
    return {
      code: 'TOKEN_IN_DOUBT',
      message: 'The authority was restored, so the number of uses of the token is not known.',
    }
  }
  if (at >= token.expiresAt) {
    return {
      code: 'TOKEN_EXPIRED',
      message: `The token expired at ${new Date(token.expiresAt).toISOString()}.`,
    }
  }
  if (token.uses >= token.maxUses) {
    return {
      code: 'TOKEN_EXHAUSTED',
      message: `The token has been used ${token.uses === 1 ? 'once' : `${token.uses} times`}, which is its limit.`,
    }
  }
  return null
}

/** A purchase of licenses. It counts during its term. */
export interface Lot {
  readonly quantity: number
  readonly startsAt: Instant
  readonly endsAt: Instant | null
}

/** Returns the number of licenses that a pool owns at an instant. */
export const countOwned = (lots: readonly Lot[], at: Instant): number =>
  lots.reduce(
    (sum, { quantity, startsAt, endsAt }) =>
      startsAt <= at && (endsAt === null || at < endsAt) ? sum + quantity : sum,
    0,
  )

/** Returns the license rows whose term includes an instant. */
export const filterActiveLots = <T extends { starts_at: Instant; ends_at: Instant | null }>(
  rows: readonly T[],
  at: Instant,
): T[] => rows.filter((row) => row.starts_at <= at && (row.ends_at === null || at < row.ends_at))

/** Returns the highest number owned at any instant from `from` until `until`. A delegation covers this number. */
export const computePeakOwned = (lots: readonly Lot[], from: Instant, until: Instant): number =>
  Math.max(
    0,
    ...[from, ...lots.map(({ startsAt }) => startsAt)]
      .filter((moment) => moment >= from && moment < until)
      .map((moment) => countOwned(lots, moment)),
  )

/** Returns true if the pool's licenses cover its usage and its reservations (R-AUTH-2, R-ACC-2). */
export const isCompliant = (pool: { owned: number; inUse: number; reserved: number }): boolean =>
  pool.inUse + pool.reserved <= pool.owned

/** Reserved licenses of one tag. They count until the end of their term. */
export interface ReservedQuantity {
  readonly count: number
  readonly endsAt: Instant | null
}

const countActive = (parts: readonly ReservedQuantity[], at: Instant): number =>
  parts.reduce((sum, { count, endsAt }) => (endsAt === null || at < endsAt ? sum + count : sum), 0)

/**
 * Returns the number of licenses of a tag that one reservation holds at an instant. While an update is unconfirmed, the
 * device may use either authorization. The reservation then holds the larger number of both (R-SLR-5).
 *
 * @param authorizations the parts of each authorization that the device may use
 */
export const countReserved = (
  authorizations: readonly (readonly ReservedQuantity[])[],
  at: Instant,
): number => Math.max(0, ...authorizations.map((parts) => countActive(parts, at)))

/**
 * Converts the licenses that a reservation holds to parts with one end each. The sum of the parts never grows, because
 * parts only end. A reader of the parts need not know the authorizations.
 */
export function toReservedIntervals(
  authorizations: readonly (readonly ReservedQuantity[])[],
  at: Instant,
): ReservedQuantity[] {
  const ends = [...new Set(authorizations.flat().map(({ endsAt }) => endsAt ?? Infinity))]
    .filter((end) => end > at)
    .sort((a, b) => b - a)
  const parts: ReservedQuantity[] = []
  let later = 0
  for (const end of ends) {
    const reserved = countReserved(authorizations, end === Infinity ? Number.MAX_SAFE_INTEGER : end - 1)
    if (reserved > later) parts.push({ count: reserved - later, endsAt: end === Infinity ? null : end })
    later = reserved
  }
  return parts
}

/**
 * Chooses the licenses of a pool to reserve, those with the latest end first. At no instant does the reserved number
 * exceed what the pool owns beyond its other reservations and its usage.
 *
 * @param pool.reservedAt returns the other reservations of the tag at an instant
 * @param pool.inUse the usage of connected instances
 * @returns the parts, or null if the pool has too few licenses
 */
export function allocateLicenses(
  count: number,
  pool: { lots: readonly Lot[]; reservedAt: (at: Instant) => number; inUse: number; at: Instant },
): ReservedQuantity[] | null {
  const { lots, reservedAt, at } = pool
  // The usage of others keeps its licenses while they last. Usage beyond them is out of compliance already.
  const inUse = Math.min(pool.inUse, Math.max(0, countOwned(lots, at) - reservedAt(at) - count))
  const ends = [...new Set(lots.map(({ endsAt }) => endsAt ?? Infinity))]
    .filter((end) => end > at)
    .sort((a, b) => b - a)
  // The owned and reserved numbers change only when a lot begins or ends.
  const moments = [at, ...lots.flatMap(({ startsAt, endsAt }) => [startsAt, endsAt ?? at])].filter(
    (moment) => moment >= at,
  )
  const parts: ReservedQuantity[] = []
  let left = count
  for (const end of ends) {
    const free = moments
      .filter((moment) => moment < end)
      .map((moment) => countOwned(lots, moment) - reservedAt(moment) - inUse - countActive(parts, moment))
    const taken = Math.min(left, Math.max(0, Math.min(...free)))
    if (taken > 0) parts.push({ count: taken, endsAt: end === Infinity ? null : end })
    left -= taken
  }
  return left === 0 ? parts : null
}

/** From this number of offline devices in one account on, a satellite is recommended (R-SLR-8). */
export const SATELLITE_RECOMMENDED_AT = 30
export const SATELLITE_RECOMMENDATION = `More than ${SATELLITE_RECOMMENDED_AT} devices of the account are offline. Serve them with a disconnected satellite, which is less work.`

/** Wrong codes that may be entered for one reservation within an hour. */
export const MAX_CODE_ATTEMPTS = 10
export const CODE_ATTEMPT_WINDOW_MS = HOUR

/** Returns the short form of a smart account in a token. It is not a secret. */
export const hashAccountDomain = (domain: string): string =>
  createHash('sha256').update(domain).digest('base64url').slice(0, 11)
