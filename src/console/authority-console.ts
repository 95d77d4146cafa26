import { runAs } from '../authority/events/actor.ts'
import type { Authority } from '../authority/authority.ts'
import type { Clock } from '../core/clock.ts'
import { systemClock } from '../core/system-clock.ts'
import { createAuthorityProcedures } from './authority/procedures.ts'
import { type ConsoleOptions, type EmitEvent, WebConsole } from './web-console.ts'
import { AuthService } from '../http/auth-service.ts'
import { ensureInitialPassword, deleteInitialPassword } from '../http/initial-password.ts'
import { listHostNames, hashId } from '../http/listen-self-signed.ts'

/** Interval of the checks for changes while a page is open. */
const POLL_INTERVAL_MS = 1_000
/** Polls from one reported change to the next. Each page reads its lists again after a change. */
const MIN_POLLS_BETWEEN_CHANGES = 3

export const createAuthorityAuth = (
  authority: Authority,
  dataDir: string,
  clock: Clock = systemClock,
): AuthService =>
  new AuthService(authority.security.users, clock, {
    supportsAccountScope: true,
    stores: authority.security.signIns,
    onInitialPasswordUsed: () => {
      deleteInitialPassword(dataDir)
    },
  })

/** Creates the web console "Software Manager" and its API, for the address of an authority. */
export async function createManagerConsole(
  authority: Authority,
  options: {
    dataDir: string
    host: string
    names: readonly string[]
    clock?: Clock
    logger: ConsoleOptions['logger']
  },
): Promise<{ routes: WebConsole['routes']; firstPasswordFile: string | null }> {
  const { dataDir, host, names, clock = systemClock, logger } = options
  const auth = createAuthorityAuth(authority, dataDir, clock)
  const hosts = listHostNames(host, names)
  const follower = new ChangeFollower(authority)
  const page = new WebConsole({
    page: 'manager',
    title: 'Software Manager',
    auth,
    procedures: createAuthorityProcedures(authority),
    follow: (emit) => follower.follow(emit),
    runAs: ({ name }, work) => runAs({ kind: 'user', name }, work),
    hosts,
    id: hashId(authority.security.identity.id),
    logger,
  })
  return { routes: page.routes, firstPasswordFile: await ensureInitialPassword(auth, dataDir) }
}

/**
 * Polls for changes while a page is open, because commands and other servers may change the same data. All pages share one
 * poll.
 */
class ChangeFollower {
  readonly #authority: Authority
  readonly #listeners = new Set<EmitEvent>()
  #timer: NodeJS.Timeout | null = null
  #last: number | null = null
  #pollsSinceChange = MIN_POLLS_BETWEEN_CHANGES

  constructor(authority: Authority) {
    this.#authority = authority
  }

  /** Sends the present state, and then each change. @returns a function that stops */
  follow(emit: EmitEvent): () => void {
    this.#listeners.add(emit)
    this.#timer ??= setInterval(() => {
      void this.#look().catch(() => undefined)
    }, POLL_INTERVAL_MS)
    void this.#sendTo(emit).catch(() => undefined)
    return () => {
      this.#listeners.delete(emit)
      if (this.#listeners.size > 0 || this.#timer === null) return
      clearInterval(this.#timer)
      this.#timer = null
      this.#last = null
    }
  }

  async #sendTo(emit: EmitEvent): Promise<void> {
    const event = await this.#authority.operations.events.getNewestId()
    this.#last ??= event
    if (this.#listeners.has(emit)) emit('changed', { event })
  }

  async #look(): Promise<void> {
    if (++this.#pollsSinceChange < MIN_POLLS_BETWEEN_CHANGES) return
    const event = await this.#authority.operations.events.getNewestId()
    if (event === this.#last) return
    this.#pollsSinceChange = 0
    const isFirst = this.#last === null
    this.#last = event
    if (!isFirst) for (const emit of this.#listeners) emit('changed', { event })
  }
}
