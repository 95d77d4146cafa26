import { actingAs } from '../authority/events/actor.ts'
import type { Authority } from '../authority/authority.ts'
import type { Clock } from '../core/clock.ts'
import { systemClock } from '../core/system-clock.ts'
import { authorityProcedures } from './authority/procedures.ts'
import { type ConsoleOptions, type EmitEvent, WebConsole } from './web-console.ts'
import { SignInDesk } from '../http/auth-service.ts'
import { firstPassword, forgetFirstPassword } from '../http/initial-password.ts'
import { hostNames, shortId } from '../http/listen-self-signed.ts'

/** How often pages that are open are told that something happened: milliseconds. */
const LOOK = 1_000

/** Who may sign in at an authority. */
export const authorityDesk = (
  authority: Authority,
  dataDir: string,
  clock: Clock = systemClock,
): SignInDesk =>
  new SignInDesk(authority.security.users, clock, {
    reaches: true,
    kept: authority.security.signIns,
    firstPasswordUsed: () => {
      forgetFirstPassword(dataDir)
    },
  })

/** The page Software Manager and its API, for the address that an authority is served at. */
export async function managerPage(
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
  const desk = authorityDesk(authority, dataDir, clock)
  const hosts = hostNames(host, names)
  const page = new WebConsole({
    page: 'manager',
    title: 'Software Manager',
    desk,
    procedures: authorityProcedures(authority),
    follow: (emit) => follow(authority, emit),
    runAs: ({ name }, work) => actingAs({ kind: 'user', name }, work),
    hosts,
    id: shortId(authority.security.identity.id),
    logger,
  })
  return { routes: page.routes, firstPasswordFile: await firstPassword(desk, dataDir) }
}

/** Commands and other servers may work on the same data: it is looked at, as long as somebody listens. */
function follow(authority: Authority, emit: EmitEvent): () => void {
  let last: number | null = null
  const look = async () => {
    const newest = await authority.operations.events.newestId()
    if (newest !== last) emit('changed', { event: newest })
    last = newest
  }
  const beats = setInterval(() => {
    void look().catch(() => undefined)
  }, LOOK)
  void look().catch(() => undefined)
  return () => {
    clearInterval(beats)
  }
}
