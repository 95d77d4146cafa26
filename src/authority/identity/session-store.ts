import type { Instant } from '../../core/time.ts'
import {
  LOGIN_ATTEMPT_LIMITS,
  type LoginAttemptLimit,
  SESSION_LIMITS,
} from '../../http/login-attempt-limits.ts'
import type { StoredSession } from '../../http/sessions.ts'
import type { AuthorityClock } from '../context/authority-clock.ts'
import type { TransactionRunner, Tx } from '../store/store.ts'

/**
 * Stores the sessions and failed login attempts of an authority's web console, for all its processes and across restarts.
 * Ages are by the authority's time: setting the clock forward ends sessions, setting it back does not extend them.
 */
export class SignInStore {
  readonly #store: TransactionRunner
  readonly #clock: Pick<AuthorityClock, 'now'>

  constructor(store: TransactionRunner, clock: Pick<AuthorityClock, 'now'>) {
    this.#store = store
    this.#clock = clock
  }

  /** Sessions, stored as digests only. */
  readonly sessions = {
    begin: ({ passwordDigest, ...session }: StoredSession): Promise<void> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        await evictOldestSessions(tx, session.name, now)
        await tx
          .insertInto('sessions')
          .values({ ...session, password_digest: passwordDigest, begun_at: now, used_at: now })
          .execute()
      }),
    find: (id: string): Promise<StoredSession | null> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        const row = await tx
          .selectFrom('sessions')
          .select(['id', 'token', 'name', 'password_digest as passwordDigest'])
          .where('id', '=', id)
          .where('begun_at', '>=', now - SESSION_LIMITS.maxAgeMs)
          .where('used_at', '>=', now - SESSION_LIMITS.maxIdleMs)
          .executeTakeFirst()
        return row ?? null
      }),
    use: (id: string): Promise<void> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        await tx
          .updateTable('sessions')
          .set({ used_at: now })
          .where('id', '=', id)
          .where('used_at', '<', now - SESSION_LIMITS.touchIntervalMs)
          .execute()
      }),
    updatePasswordDigest: (id: string, passwordDigest: string): Promise<void> =>
      this.#store.transaction(async (tx) => {
        await tx
          .updateTable('sessions')
          .set({ password_digest: passwordDigest })
          .where('id', '=', id)
          .execute()
      }),
    end: (id: string): Promise<void> =>
      this.#store.transaction(async (tx) => {
        await tx.deleteFrom('sessions').where('id', '=', id).execute()
      }),
  } as const

  readonly attempts = {
    /** Counts an attempt, or returns the milliseconds for which the key is blocked. */
    count: (
      key: string,
      { maxFailures, windowMs }: LoginAttemptLimit,
    ): Promise<{ attempt: number } | { retryAfterMs: number }> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        await tx
          .deleteFrom('login_attempts')
          .where('at', '<=', now - LOGIN_ATTEMPT_LIMITS.perUser.windowMs)
          .execute()
        const recent = await tx
          .selectFrom('login_attempts')
          .select('at')
          .where('address', '=', key)
          .where('at', '>', now - windowMs)
          .orderBy('at')
          .limit(maxFailures)
          .execute()
        const [first = { at: now }] = recent
        if (recent.length >= maxFailures) return { retryAfterMs: first.at + windowMs - now }
        const { id } = await tx
          .insertInto('login_attempts')
          .values({ address: key, at: now })
          .returning('id')
          .executeTakeFirstOrThrow()
        await tx
          .deleteFrom('login_attempts')
          .where('id', '<=', id - LOGIN_ATTEMPT_LIMITS.maxRemembered)
          .execute()
        return { attempt: id }
      }),
    refund: (_key: string, attempt: number): Promise<void> =>
      this.#store.transaction(async (tx) => {
        await tx.deleteFrom('login_attempts').where('id', '=', attempt).execute()
      }),
  } as const
}

/** Deletes expired sessions, and the oldest beyond the maximum per user and in all. */
async function evictOldestSessions(tx: Tx, name: string, now: Instant): Promise<void> {
  const { maxAgeMs, maxIdleMs, maxSessions, maxPerUser } = SESSION_LIMITS
  await tx
    .deleteFrom('sessions')
    .where((eb) => eb.or([eb('begun_at', '<', now - maxAgeMs), eb('used_at', '<', now - maxIdleMs)]))
    .execute()
  const newestFirst = tx.selectFrom('sessions').select('id').orderBy('begun_at', 'desc')
  for (const [of, kept] of [
    [newestFirst.where('name', '=', name), maxPerUser],
    [newestFirst, maxSessions],
  ] as const) {
    const older = await of
      .offset(kept - 1)
      .limit(maxSessions)
      .execute()
    const ids = older.map(({ id }) => id)
    if (ids.length > 0) await tx.deleteFrom('sessions').where('id', 'in', ids).execute()
  }
}
