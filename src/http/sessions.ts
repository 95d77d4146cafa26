import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { SESSION_LIMITS } from './login-attempt-limits.ts'
import { evictOldest } from '../core/evict-oldest.ts'

/** A session as it is kept: digests, of which none gives back what the browser holds. */
export interface StoredSession {
  /** Of the cookie. */
  readonly id: string
  /** Of the token. */
  readonly token: string
  readonly name: string
  /** Of what the user's password was kept as: a session ends when that changes, whoever changes it. */
  readonly passwordDigest: string
}

/** Where sessions are kept. One that is over by time is not found. */
export interface SessionStore {
  /** Keeps a new one; where there are too many, the oldest give way. */
  begin(session: StoredSession): Promise<void>
  find(id: string): Promise<StoredSession | null>
  /** Notes that it was used. */
  use(id: string): Promise<void>
  updatePasswordDigest(id: string, passwordDigest: string): Promise<void>
  end(id: string): Promise<void>
}

const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** What a browser is given: the cookie it sends by itself, and the token that only the page can send along. */
export interface SessionSecrets {
  readonly id: string
  readonly token: string
}

/** Whose session it is. */
export type SessionOwner = Pick<StoredSession, 'name' | 'passwordDigest'>

/** Whether a session was begun with a password as it is kept now. */
export const isCurrent = ({ passwordDigest }: SessionOwner, password: string): boolean =>
  passwordDigest === hashSecret(password)

/**
 * Who is signed in. A session is its cookie and its token together: a cookie alone, stolen or sent along by another
 * site, is good for nothing.
 */
export class Sessions {
  readonly #store: SessionStore

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** @param password as it is kept */
  async begin(name: string, password: string): Promise<SessionSecrets> {
    const id = randomBytes(32).toString('base64url')
    const token = randomBytes(32).toString('base64url')
    await this.#store.begin({
      id: hashSecret(id),
      token: hashSecret(token),
      name,
      passwordDigest: hashSecret(password),
    })
    return { id, token }
  }

  /** Whose session it is; `no-session` where there is none; `forged` where the token is not that session's. */
  async authenticate(
    id: string | undefined,
    token: string | undefined,
  ): Promise<SessionOwner | 'no-session' | 'csrf-mismatch'> {
    const session = id === undefined ? null : await this.#store.find(hashSecret(id))
    if (!session) return 'no-session'
    if (token === undefined || !timingSafeEqual(Buffer.from(hashSecret(token)), Buffer.from(session.token)))
      return 'csrf-mismatch'
    await this.#store.use(session.id)
    return session
  }

  /** Whose session it is, for what goes on after it was asked for; null when it is over. */
  find(id: string): Promise<SessionOwner | null> {
    return this.#store.find(hashSecret(id))
  }

  /** Keeps a session alive through a change of its user's own password. @param password as it is kept */
  updatePasswordDigest(id: string, password: string): Promise<void> {
    return this.#store.updatePasswordDigest(hashSecret(id), hashSecret(password))
  }

  end(id: string): Promise<void> {
    return this.#store.end(hashSecret(id))
  }
}

/** Sessions of one process, by the machine's uptime: what a wall clock does, ends none and keeps none alive. */
export class MemorySessions implements SessionStore {
  readonly #now: () => number
  readonly #sessions = new Map<string, { stored: StoredSession; begunAt: number; usedAt: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  begin(stored: StoredSession): Promise<void> {
    for (const id of this.#sessions.keys()) if (!this.#findLive(id)) this.#sessions.delete(id)
    const own = [...this.#sessions.values()].filter((session) => session.stored.name === stored.name)
    for (const session of own.slice(0, Math.max(0, own.length - SESSION_LIMITS.maxPerUser + 1)))
      this.#sessions.delete(session.stored.id)
    evictOldest(this.#sessions, SESSION_LIMITS.maxSessions - 1)
    const now = this.#now()
    this.#sessions.set(stored.id, { stored, begunAt: now, usedAt: now })
    return Promise.resolve()
  }

  find(id: string): Promise<StoredSession | null> {
    return Promise.resolve(this.#findLive(id)?.stored ?? null)
  }

  use(id: string): Promise<void> {
    const session = this.#sessions.get(id)
    if (session) session.usedAt = this.#now()
    return Promise.resolve()
  }

  updatePasswordDigest(id: string, passwordDigest: string): Promise<void> {
    const session = this.#sessions.get(id)
    if (session) session.stored = { ...session.stored, passwordDigest }
    return Promise.resolve()
  }

  end(id: string): Promise<void> {
    this.#sessions.delete(id)
    return Promise.resolve()
  }

  #findLive(id: string) {
    const session = this.#sessions.get(id)
    const now = this.#now()
    const over =
      !session ||
      now - session.begunAt > SESSION_LIMITS.maxAgeMs ||
      now - session.usedAt > SESSION_LIMITS.maxIdleMs
    return over ? undefined : session
  }
}
