import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Instant } from '../../core/time.ts'
import { findAlerts } from '../alerts/alert-reader.ts'
import type { AlertSeverity } from '../alerts/alerts.ts'
import type { Account } from '../context/account-context.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import { type LicenseDocument, listAccounts, listLicenses } from '../inventory/accounts.ts'
import { readOutboxStatus } from '../outbox/mail.ts'
import type { AccountReader } from '../satellites/all-instances.ts'
import type { AuthorityServer } from '../serving/authority-server.ts'
import type { Tx } from '../store/store.ts'

/**
 * Statuses of product instances. An instance with a reservation is `reserved`. An instance that a satellite has
 * reported is `satellite`.
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

/** Statistics of an authority. */
export interface AuthorityStats {
  readonly instances: Readonly<Record<(typeof INSTANCE_STATUSES)[number], number>>
  readonly pools: readonly (Pick<
    LicenseDocument,
    'virtualAccount' | 'tag' | 'quantity' | 'inUse' | 'reserved'
  > & {
    readonly account: string
  })[]
  readonly alerts: Readonly<Record<AlertSeverity, number>>
  /** Messages in the queue: e-mails, and webhook deliveries that may still be tried. */
  readonly waiting: Readonly<Record<'mail' | 'webhook', number>>
  /** Seconds until each certificate expires, by the authority's time. Negative if it has expired. */
  readonly certificates: Readonly<Record<string, number>>
}

/** Collector of statistics for metrics. */
export class StatsService {
  readonly #context: AuthorityContext
  readonly #server: Pick<AuthorityServer, 'tlsEndsAt'>

  constructor(context: AuthorityContext, server: Pick<AuthorityServer, 'tlsEndsAt'>) {
    this.#context = context
    this.#server = server
  }

  /** Collects the statistics in short read-only transactions, between which exchanges go on. */
  async collect(): Promise<AuthorityStats> {
    const { store, clock } = this.#context
    const accounts = await store.readOnly(listAccounts)
    const pools: AuthorityStats['pools'][number][] = []
    // An alert of the whole authority appears in each smart account, but counts once.
    const alerts = new Map<string, AlertSeverity>()
    const alertCounts = { informational: 0, minor: 0, major: 0 }
    for (const account of accounts) {
      const read = this.#createReader(account)
      const licenses = await read(({ tx, profile, at }) => listLicenses(tx, account, profile, at))
      for (const { virtualAccount, tag, quantity, inUse, reserved } of licenses)
        pools.push({ account: account.domain, virtualAccount, tag, quantity, inUse, reserved })
      const { short, streams } = await findAlerts(read)
      for (const { type, source, message, severity, instanceId } of short)
        alerts.set(JSON.stringify([type, source, message, instanceId]), severity)
      for (const { stream, count } of streams) alertCounts[stream.severity] += count
    }
    for (const severity of alerts.values()) alertCounts[severity]++
    const instances = await store.readOnly(countInstances)
    return store.readOnly(async (tx) => ({
      instances,
      pools,
      alerts: alertCounts,
      waiting: { mail: (await readOutboxStatus(tx)).waiting, webhook: await countDeliveries(tx) },
      certificates: await this.#readSecondsToExpiry(tx, await clock.readTime(tx)),
    }))
  }

  /** Returns a reader that runs no maintenance, because a request for metrics must not write. */
  #createReader(account: Account): AccountReader {
    const { store, clock, credentials } = this.#context
    return async (read) => {
      await nextTurn()
      return store.readOnly(async (tx) => {
        const at = await clock.readTime(tx)
        return read({ tx, account, at, actor: null, credentials, profile: this.#context.profile })
      })
    }
  }

  async #readSecondsToExpiry(tx: Tx, at: Instant): Promise<AuthorityStats['certificates']> {
    const tlsExpiry = this.#server.tlsEndsAt()
    const expiries = {
      ...(await this.#context.credentials.readExpiries(tx)),
      ...(tlsExpiry !== null && { tls: tlsExpiry }),
    }
    return Object.fromEntries(Object.entries(expiries).map(([name, expiry]) => [name, (expiry - at) / 1000]))
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
  // Partial indexes count the active and the ended instances. One query of both would read the whole table.
  const active = await tx
    .selectFrom('instances')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  counts.active = Number(active?.count ?? 0)
  const ended = await tx
    .selectFrom('instances')
    .select(['status', (eb) => eb.fn.countAll().as('count')])
    .where('status', '<>', sql.lit('active'))
    .groupBy('status')
    .execute()
  for (const { status, count } of ended) counts[status] = Number(count)
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
