import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { dropOldest } from '../domain/drop-oldest.ts'

/** Milliseconds of the machine's uptime: what a wall clock does, ends no session and keeps none alive. */
const LONGEST = 12 * 3_600_000
const IDLE = 3_600_000
const MOST = 1_000
/** And of one user: nobody signs the others out by signing in. */
const MOST_OF_USER = 20

interface Session {
  readonly name: string
  /** What the user's password was kept as: a session ends when that changes, whoever changes it. */
  stamp: string
  /** Only its digest: what the page holds is in the browser alone. */
  readonly token: Buffer
  readonly begunAt: number
  usedAt: number
}

const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** What a browser is given: the cookie it sends by itself, and the token that only the page can send along. */
export interface SessionSecrets {
  readonly id: string
  readonly token: string
}

/**
 * Who is signed in, in this process: a restart signs everybody out. A session is its cookie and its token together: a
 * cookie alone, stolen or sent along by another site, is good for nothing.
 */
export class Sessions {
  readonly #now: () => number
  readonly #sessions = new Map<string, Session>()

  constructor(now: () => number) {
    this.#now = now
  }

  begin(name: string, stamp: string): SessionSecrets {
    this.#forget(name)
    const id = randomBytes(32).toString('base64url')
    const token = randomBytes(32).toString('base64url')
    const now = this.#now()
    this.#sessions.set(digest(id).toString('hex'), {
      name,
      stamp,
      token: digest(token),
      begunAt: now,
      usedAt: now,
    })
    return { id, token }
  }

  /** Whose session it is; `no-session` where there is none; `forged` where the token is not that session's. */
  find(
    id: string | undefined,
    token: string | undefined,
  ): { name: string; stamp: string } | 'no-session' | 'forged' {
    const session = id === undefined ? undefined : this.#sessions.get(digest(id).toString('hex'))
    if (!session || this.#over(session)) return 'no-session'
    if (token === undefined || !timingSafeEqual(digest(token), session.token)) return 'forged'
    session.usedAt = this.#now()
    return { name: session.name, stamp: session.stamp }
  }

  /** Whose session it is, for what goes on after it was asked for; null when it is over. */
  whose(id: string): { name: string; stamp: string } | null {
    const session = this.#sessions.get(digest(id).toString('hex'))
    return session && !this.#over(session) ? { name: session.name, stamp: session.stamp } : null
  }

  /** Keeps a session alive through a change of its user's own password. */
  restamp(id: string, stamp: string): void {
    const session = this.#sessions.get(digest(id).toString('hex'))
    if (session) session.stamp = stamp
  }

  end(id: string): void {
    this.#sessions.delete(digest(id).toString('hex'))
  }

  #over({ begunAt, usedAt }: Session): boolean {
    const now = this.#now()
    return now - begunAt > LONGEST || now - usedAt > IDLE
  }

  #forget(name: string): void {
    for (const [id, session] of this.#sessions) if (this.#over(session)) this.#sessions.delete(id)
    const own = [...this.#sessions].filter(([, session]) => session.name === name)
    for (const [id] of own.slice(0, Math.max(0, own.length - MOST_OF_USER + 1))) this.#sessions.delete(id)
    dropOldest(this.#sessions, MOST - 1)
  }
}
