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
  const page = new WebConsole({
    page: 'manager',
    title: 'Software Manager',
    auth,
    procedures: createAuthorityProcedures(authority),
    follow: (emit) => follow(authority, emit),
    runAs: ({ name }, work) => runAs({ kind: 'user', name }, work),
    hosts,
    id: hashId(authority.security.identity.id),
    logger,
  })
  return { routes: page.routes, firstPasswordFile: await ensureInitialPassword(auth, dataDir) }
}

/** Polls for changes while a page is open, because commands and other servers may change the same data. */
function follow(authority: Authority, emit: EmitEvent): () => void {
  let last: number | null = null
  const look = async () => {
    const newest = await authority.operations.events.getNewestId()
    if (newest !== last) emit('changed', { event: newest })
    last = newest
  }
  const timer = setInterval(() => {
    void look().catch(() => undefined)
  }, POLL_INTERVAL_MS)
  void look().catch(() => undefined)
  return () => {
    clearInterval(timer)
  }
}
