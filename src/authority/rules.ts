import { createHash } from 'node:crypto'
import { DAY, type Instant } from '../domain/instant.ts'
import type { ErrorCode } from '../domain/errors.ts'

/** Periods the authority gives: identity certificates and authorizations (guide; agent-behaviour §3). */
export const IDENTITY_LIFE = 365 * DAY
export const AUTHORIZATION_LIFE = 90 * DAY
/** Certificates and deadlines begin this much in the past, for clocks that lag a little. */
export const BACKDATED = 5 * 60_000

/** What is known of a token when it is used. */
export interface TokenFacts {
  readonly revokedAt: Instant | null
  readonly expiresAt: Instant
  readonly uses: number
  readonly maxUses: number
}

/** Why a token cannot be used at an instant; null when it can (R-TOK-4). */
export function tokenRefusal(token: TokenFacts, at: Instant): { code: ErrorCode; message: string } | null {
  if (token.revokedAt !== null) {
    return {
      code: 'TOKEN_REVOKED',
      message: `The token was revoked at ${new Date(token.revokedAt).toISOString()}.`,
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

/** One lot of licences: counts while its term lasts. */
export interface Lot {
  readonly quantity: number
  readonly startsAt: Instant
  readonly endsAt: Instant | null
}

/** How many licences a pool owns at an instant. */
export const ownedAt = (lots: readonly Lot[], at: Instant): number =>
  lots.reduce(
    (sum, { quantity, startsAt, endsAt }) =>
      startsAt <= at && (endsAt === null || at < endsAt) ? sum + quantity : sum,
    0,
  )

/** A pool is in compliance while its licences cover what its instances use together (R-AUTH-2, R-ACC-2). */
export const compliant = (pool: { owned: number; inUse: number }): boolean => pool.inUse <= pool.owned

/** A smart account as a token names it: short, and no secret. */
export const accountTag = (domain: string): string =>
  createHash('sha256').update(domain).digest('base64url').slice(0, 11)
