import { sql } from 'kysely'
import type { Instant } from '../../core/time.ts'
import { readAlerts } from '../alerts/alert-reader.ts'
import type { AlertSeverity } from '../alerts/alerts.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import { type LicenseDocument, listAccounts, listLicenses } from '../inventory/accounts.ts'
import { readOutboxStatus } from '../outbox/mail.ts'
import type { AuthorityServer } from '../serving/authority-server.ts'
import type { Tx } from '../store/store.ts'

/**
 * Statuses of product instances. `reserved` instances work from a reservation, `satellite` instances are reported by
 * satellites.
 */
export const INSTANCE_STATUSES = [
  'active',
  'removed',
  'replaced',
  'deregistered',
  'expired',
  'reserved',
  'satellite',
] as const

/** Figures about an authority. */
export interface AuthorityStats {
  readonly instances: Readonly<Record<(typeof INSTANCE_STATUSES)[number], number>>
  readonly pools: readonly (Pick<
    LicenseDocument,
    'virtualAccount' | 'tag' | 'quantity' | 'inUse' | 'reserved'
  > & {
    readonly account: string
  })[]
  readonly alerts: Readonly<Record<AlertSeverity, number>>
  /** Messages in the queue: e-mails, and webhook deliveries that have not failed for good. */
  readonly waiting: Readonly<Record<'mail' | 'webhook', number>>
  /** Seconds until each certificate expires, by the authority's time. Negative if it has expired. */
  readonly certificates: Readonly<Record<string, number>>
}

/** Figures about an authority, for metrics. */
export class StatsService {
  readonly #context: AuthorityContext
  readonly #server: Pick<AuthorityServer, 'tlsEndsAt'>

  constructor(context: AuthorityContext, server: Pick<AuthorityServer, 'tlsEndsAt'>) {
    this.#context = context
    this.#server = server
  }

  /** Reads the figures without writing. */
  collect(): Promise<AuthorityStats> {
    const { store, clock, credentials, profile } = this.#context
    return store.readOnly(async (tx) => {
      const at = await clock.readTime(tx)
      const pools: AuthorityStats['pools'][number][] = []
      // An alert of the whole authority appears in each smart account, but counts once.
      const alerts = new Map<string, AlertSeverity>()
      for (const account of await listAccounts(tx)) {
        for (const { virtualAccount, tag, quantity, inUse, reserved } of await listLicenses(
          tx,
          account,
          profile,
          at,
        ))
          pools.push({ account: account.domain, virtualAccount, tag, quantity, inUse, reserved })
        const context = { tx, account, at, actor: null, credentials, profile }
        for (const { type, source, message, severity, instanceId } of await readAlerts(context, null))
          alerts.set(JSON.stringify([type, source, message, instanceId]), severity)
      }
      const counted = { informational: 0, minor: 0, major: 0 }
      for (const severity of alerts.values()) counted[severity]++
      return {
        instances: await countInstances(tx),
        pools,
        alerts: counted,
        waiting: { mail: (await readOutboxStatus(tx)).waiting, webhook: await countDeliveries(tx) },
        certificates: await this.#certificates(tx, at),
      }
    })
  }

  async #certificates(tx: Tx, at: Instant): Promise<AuthorityStats['certificates']> {
    const tls = this.#server.tlsEndsAt()
    const ends = { ...(await this.#context.credentials.expiries(tx)), ...(tls !== null && { tls }) }
    return Object.fromEntries(Object.entries(ends).map(([name, end]) => [name, (end - at) / 1000]))
  }
}

async function countDeliveries(tx: Tx): Promise<number> {
  const row = await tx
    .selectFrom('webhook_deliveries')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('dead', '=', sql.lit(0))
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

async function countInstances(tx: Tx): Promise<AuthorityStats['instances']> {
  const counts = {
    active: 0,
    removed: 0,
    replaced: 0,
    deregistered: 0,
    expired: 0,
    reserved: 0,
    satellite: 0,
  }
  const registered = await tx
    .selectFrom('instances')
    .select(['status', (eb) => eb.fn.countAll().as('count')])
    .groupBy('status')
    .execute()
  for (const { status, count } of registered) counts[status] = Number(count)
  const reserved = await tx
    .selectFrom('reservations')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  counts.reserved = Number(reserved?.count ?? 0)
  const reported = await tx
    .selectFrom('reported_instances')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  counts.satellite = Number(reported?.count ?? 0)
  return counts
}
