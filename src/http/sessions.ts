import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { SESSION_LIMITS } from './login-attempt-limits.ts'
import { evictOldest } from '../core/evict-oldest.ts'

/** Stored session. It contains only digests, from which the secrets of the browser cannot be recovered. */
export interface StoredSession {
  /** Digest of the cookie. */
  readonly id: string
  /** Digest of the token. */
  readonly token: string
  readonly name: string
  /** Digest of the user's stored password hash, so that a password change ends the session. */
  readonly passwordDigest: string
}

/** Store of sessions. Expired sessions are not found. */
export interface SessionStore {
  /** Stores a new session and evicts the oldest beyond the limits. */
  begin(session: StoredSession): Promise<void>
  find(id: string): Promise<StoredSession | null>
  /** Updates the time of last use. */
  use(id: string): Promise<void>
  updatePasswordDigest(id: string, passwordDigest: string): Promise<void>
  end(id: string): Promise<void>
}

const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** Secrets of the browser: `id` is the cookie, and `token` is sent in a header by the page. */
export interface SessionSecrets {
  readonly id: string
  readonly token: string
}

/** User of a session. */
export type SessionOwner = Pick<StoredSession, 'name' | 'passwordDigest'>

/** Returns true if the user's stored password hash is the same as when the session began. */
export const isCurrent = ({ passwordDigest }: SessionOwner, passwordHash: string): boolean =>
  passwordDigest === hashSecret(passwordHash)

/**
 * Sessions of signed-in users. A session requires its cookie and its token. A cookie without the token is refused,
 * because it may be stolen or sent by a request from another site.
 */
export class Sessions {
  readonly #store: SessionStore

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** Begins a session. @param passwordHash hash of the user's password, as stored */
  async begin(name: string, passwordHash: string): Promise<SessionSecrets> {
    const id = randomBytes(32).toString('base64url')
    const token = randomBytes(32).toString('base64url')
    await this.#store.begin({
      id: hashSecret(id),
      token: hashSecret(token),
      name,
      passwordDigest: hashSecret(passwordHash),
    })
    return { id, token }
  }

  /** Returns the user of a session, `no-session`, or `csrf-mismatch` if the token belongs to another session. */
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

  /** Returns the user of a session by its cookie, for long-running responses. Returns null if the session has ended. */
  find(id: string): Promise<SessionOwner | null> {
    return this.#store.find(hashSecret(id))
  }

  /**
   * Keeps a session valid after its user's own password change.
   *
   * @param passwordHash hash of the new password, as stored
   */
  updatePasswordDigest(id: string, passwordHash: string): Promise<void> {
    return this.#store.updatePasswordDigest(hashSecret(id), hashSecret(passwordHash))
  }

  end(id: string): Promise<void> {
    return this.#store.end(hashSecret(id))
  }
}

/** Stores the sessions of one process. Sessions age by the machine's uptime, not by the wall clock. */
export class MemorySessions implements SessionStore {
  readonly #now: () => number
  readonly #sessions = new Map<string, { stored: StoredSession; begunAt: number; usedAt: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  begin(stored: StoredSession): Promise<void> {
    for (const id of this.#sessions.keys()) if (!this.#findLive(id)) this.#sessions.delete(id)
    const userSessions = [...this.#sessions.values()].filter((session) => session.stored.name === stored.name)
    for (const session of userSessions.slice(
      0,
      Math.max(0, userSessions.length - SESSION_LIMITS.maxPerUser + 1),
    ))
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
    const hasEnded =
      !session ||
      now - session.begunAt > SESSION_LIMITS.maxAgeMs ||
      now - session.usedAt > SESSION_LIMITS.maxIdleMs
    return hasEnded ? undefined : session
  }
}
