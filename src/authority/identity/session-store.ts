import type { Instant } from '../../core/time.ts'
import { GUESS_LIMITS, SESSION_LIMITS } from '../../http/login-attempt-limits.ts'
import type { AuthorityClock } from '../context/authority-clock.ts'
import type { Tables } from '../store/tables.ts'
import type { TransactionRunner, Tx } from '../store/store.ts'

interface KeptSession extends Pick<Tables['sessions'], 'id' | 'token' | 'name'> {
  readonly passwordDigest: string
}

/**
 * Who is signed in at the page of an authority, in any of its processes and through a restart; and the wrong passwords of
 * each address. By the authority's time: a clock that is set forward ends sessions, one that is set back keeps none alive.
 */
export class SignIns {
  readonly #store: TransactionRunner
  readonly #clock: Pick<AuthorityClock, 'now'>

  constructor(store: TransactionRunner, clock: Pick<AuthorityClock, 'now'>) {
    this.#store = store
    this.#clock = clock
  }

  /** Sessions: of each only digests are kept. */
  readonly sessions = {
    begin: ({ passwordDigest, ...session }: KeptSession): Promise<void> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        await makeRoom(tx, session.name, now)
        await tx
          .insertInto('sessions')
          .values({ ...session, password_digest: passwordDigest, begun_at: now, used_at: now })
          .execute()
      }),
    find: (id: string): Promise<KeptSession | null> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        const row = await tx
          .selectFrom('sessions')
          .select(['id', 'token', 'name', 'password_digest as passwordDigest'])
          .where('id', '=', id)
          .where('begun_at', '>=', now - SESSION_LIMITS.longest)
          .where('used_at', '>=', now - SESSION_LIMITS.idle)
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
          .where('used_at', '<', now - SESSION_LIMITS.noted)
          .execute()
      }),
    restamp: (id: string, passwordDigest: string): Promise<void> =>
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

  /** Wrong passwords, by address. */
  readonly guesses = {
    /** Counts one, or says for how many milliseconds none is taken of this address. */
    count: (address: string): Promise<{ guess: number } | { waitMs: number }> =>
      this.#store.transaction(async (tx) => {
        const now = this.#clock.now()
        await tx
          .deleteFrom('login_attempts')
          .where('at', '<=', now - GUESS_LIMITS.window)
          .execute()
        const recent = await tx
          .selectFrom('login_attempts')
          .select('at')
          .where('address', '=', address)
          .orderBy('at')
          .limit(GUESS_LIMITS.most)
          .execute()
        const [first = { at: now }] = recent
        if (recent.length >= GUESS_LIMITS.most) return { waitMs: first.at + GUESS_LIMITS.window - now }
        const { id } = await tx
          .insertInto('login_attempts')
          .values({ address, at: now })
          .returning('id')
          .executeTakeFirstOrThrow()
        await tx
          .deleteFrom('login_attempts')
          .where('id', '<=', id - GUESS_LIMITS.known)
          .execute()
        return { guess: id }
      }),
    takeBack: (_address: string, guess: number): Promise<void> =>
      this.#store.transaction(async (tx) => {
        await tx.deleteFrom('login_attempts').where('id', '=', guess).execute()
      }),
  } as const
}

/** What is over goes; the oldest of a user give way, and the oldest of all. */
async function makeRoom(tx: Tx, name: string, now: Instant): Promise<void> {
  const { longest, idle, most, mostOfUser } = SESSION_LIMITS
  await tx
    .deleteFrom('sessions')
    .where((eb) => eb.or([eb('begun_at', '<', now - longest), eb('used_at', '<', now - idle)]))
    .execute()
  const newestFirst = tx.selectFrom('sessions').select('id').orderBy('begun_at', 'desc')
  for (const [of, kept] of [
    [newestFirst.where('name', '=', name), mostOfUser],
    [newestFirst, most],
  ] as const) {
    const older = await of
      .offset(kept - 1)
      .limit(most)
      .execute()
    const ids = older.map(({ id }) => id)
    if (ids.length > 0) await tx.deleteFrom('sessions').where('id', 'in', ids).execute()
  }
}
