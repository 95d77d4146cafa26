import { createHash } from 'node:crypto'
import { DAY, HOUR, type Instant } from '../core/time.ts'
import type { ErrorCode } from '../core/errors.ts'

/** Periods the authority gives: identity certificates and authorizations (guide; agent-behavior §3). */
export const IDENTITY_LIFETIME = 365 * DAY
export const AUTHORIZATION_LIFETIME = 90 * DAY
/** When boxes come back by themselves, and how much earlier they may be asked to: never later (interfaces, "Next contact"). */
const CONTACT_PERIOD = 30 * DAY
const MAX_EARLY_CONTACT = 3 * DAY

/**
 * When a box is asked to come back that came with many others: anywhere within the days before it would by itself.
 *
 * @param chance 0 to 1
 * @returns milliseconds from now
 */
export const jitterContactDelay = (chance: number): number =>
  CONTACT_PERIOD - Math.floor(chance * MAX_EARLY_CONTACT)

/** Certificates and deadlines begin this much in the past, for clocks that lag a little. */
export const BACKDATE_MS = 5 * 60_000

/** What is known of a token when it is used. */
export interface TokenState {
  readonly revokedAt: Instant | null
  readonly expiresAt: Instant
  readonly uses: number
  readonly maxUses: number
  /** Restored from a backup, and not confirmed. */
  readonly inReview: boolean
}

/** Why a token cannot be used at an instant; null when it can (R-TOK-4). */
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
      message: 'How often the token was used is not known since the authority was restored.',
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
      message: `The token has been used ${token.uses === 1 ? 'once' : `${token.uses} times`}, as often as it may be.`,
    }
  }
  return null
}

/** One lot of licenses: counts while its term lasts. */
export interface Lot {
  readonly quantity: number
  readonly startsAt: Instant
  readonly endsAt: Instant | null
}

/** How many licenses a pool owns at an instant. */
export const countOwned = (lots: readonly Lot[], at: Instant): number =>
  lots.reduce(
    (sum, { quantity, startsAt, endsAt }) =>
      startsAt <= at && (endsAt === null || at < endsAt) ? sum + quantity : sum,
    0,
  )

/** The rows of licenses that last at an instant. */
export const filterActiveLots = <T extends { starts_at: Instant; ends_at: Instant | null }>(
  rows: readonly T[],
  at: Instant,
): T[] => rows.filter((row) => row.starts_at <= at && (row.ends_at === null || at < row.ends_at))

/** The most that is owned at any instant from one on, up to another: what a mandate is for. */
export const computePeakOwned = (lots: readonly Lot[], from: Instant, until: Instant): number =>
  Math.max(
    0,
    ...[from, ...lots.map(({ startsAt }) => startsAt)]
      .filter((moment) => moment >= from && moment < until)
      .map((moment) => countOwned(lots, moment)),
  )

/** A pool is in compliance while its licenses cover what its instances use and reserve together (R-AUTH-2, R-ACC-2). */
export const isCompliant = (pool: { owned: number; inUse: number; reserved: number }): boolean =>
  pool.inUse + pool.reserved <= pool.owned

/** Reserved licenses of one tag: count while their term lasts. */
export interface ReservedQuantity {
  readonly count: number
  readonly endsAt: Instant | null
}

const countActive = (parts: readonly ReservedQuantity[], at: Instant): number =>
  parts.reduce((sum, { count, endsAt }) => (endsAt === null || at < endsAt ? sum + count : sum), 0)

/**
 * What one reservation holds of a tag at an instant. While an update waits for its confirmation, nobody knows which of
 * the two authorizations the box works from: it holds the larger of both (R-SLR-5).
 *
 * @param authorizations the parts of each authorization that the box may work from
 */
export const countReserved = (
  authorizations: readonly (readonly ReservedQuantity[])[],
  at: Instant,
): number => Math.max(0, ...authorizations.map((parts) => countActive(parts, at)))

/**
 * The same as parts, each until its end: for whoever must know what is held without knowing of authorizations. What is held
 * never grows with time, since parts only end.
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
 * Chooses which licenses of a pool to reserve: the ones that last longest first. Never more than the pool owns beyond what is
 * held already and what is in use, now or at any later instant.
 *
 * @param pool its lots, what others hold of the tag at an instant, what is in use by those who are connected
 * @returns the parts; null when the pool has not so many
 */
export function allocateLicenses(
  count: number,
  pool: { lots: readonly Lot[]; reservedAt: (at: Instant) => number; inUse: number; at: Instant },
): ReservedQuantity[] | null {
  const { lots, reservedAt, at } = pool
  // What others use is left to them for as long as the licenses last that are left; what they use beyond is theirs to mend.
  const inUse = Math.min(pool.inUse, Math.max(0, countOwned(lots, at) - reservedAt(at) - count))
  const ends = [...new Set(lots.map(({ endsAt }) => endsAt ?? Infinity))]
    .filter((end) => end > at)
    .sort((a, b) => b - a)
  // What is owned and held changes only when a lot begins or ends.
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

/** Boxes of one account that are offline, beyond which a satellite is less work than carrying codes (R-SLR-8). */
export const SATELLITE_RECOMMENDED_AT = 30
export const SATELLITE_RECOMMENDATION = `More than ${SATELLITE_RECOMMENDED_AT} boxes of the account are offline: a disconnected satellite would serve them with less work.`

/** Wrong codes that may be entered for one reservation within an hour (trust §11). */
export const MAX_CODE_ATTEMPTS = 10
export const CODE_ATTEMPT_WINDOW_MS = HOUR

/** A smart account as a token names it: short, and no secret. */
export const hashAccountDomain = (domain: string): string =>
  createHash('sha256').update(domain).digest('base64url').slice(0, 11)
