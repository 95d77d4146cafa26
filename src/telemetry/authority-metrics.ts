import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { OperationServices } from '../authority/authority.ts'
import type { AuthorityStats } from '../authority/services/stats-service.ts'
import { withTimeout } from '../transports/deadline.ts'
import { toCodeLabel, createRegistry } from './common-metrics.ts'
import { registerConnectionMetrics } from './connection-metrics.ts'

/** Maximum number of pools with metrics, because an authority may have very many virtual accounts. */
const MAX_POOLS = 500
/** Maximum age of the collected values, which limits database queries whatever the scrape interval. */
const MAX_AGE_MS = 5_000
/** Time limit for the database, below the usual scrape timeout of ten seconds. After it, `database_up` is 0. */
const COLLECT_TIMEOUT_MS = 5_000
const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Part of an authority that its metrics read. */
interface MetricsSource {
  readonly server: Pick<OperationServices['server'], 'connections' | 'notReadyReasons'>
  readonly stats: Pick<OperationServices['stats'], 'collect'>
}

/** Prometheus metrics of an authority. Exchanges and transactions are counted, other values are read on each scrape. */
export class AuthorityMetrics {
  /** Stops to observe the process. */
  readonly close: () => void
  readonly #registry: Registry
  readonly #exchanges: Counter<'type' | 'outcome' | 'code'>
  readonly #durations: Histogram<'type'>
  readonly #transactions: Histogram
  readonly #gauges: ReturnType<typeof createGauges>
  #authority: MetricsSource | null = null
  #collection: { at: number; done: Promise<void> } | null = null

  constructor() {
    const prefix = 'smart_authority'
    const { registry, stop } = createRegistry(prefix, () => this.notReadyReasons())
    this.#registry = registry
    this.close = stop
    const registers = [this.#registry]
    this.#exchanges = new Counter({
      name: `${prefix}_exchanges_total`,
      help: 'Exchanges with agents and satellites by outcome; failed exchanges got no signed answer.',
      labelNames: ['type', 'outcome', 'code'],
      registers,
    })
    this.#durations = new Histogram({
      name: `${prefix}_exchange_duration_seconds`,
      help: 'Time from reading a request to its answer.',
      labelNames: ['type'],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    })
    this.#transactions = new Histogram({
      name: `${prefix}_transaction_duration_seconds`,
      help: 'Duration of database transactions, including the wait for the database.',
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    })
    registerConnectionMetrics(prefix, this.#registry, () => this.#authority?.server.connections ?? null)
    this.#gauges = createGauges(prefix, this.#registry)
  }

  /** Starts to measure an authority. */
  attach(authority: MetricsSource): void {
    this.#authority = authority
  }

  exchange(type: string) {
    const end = this.#durations.startTimer({ type })
    return {
      traceId: null,
      step: () => undefined,
      end: ({ outcome, code }: { outcome: string; code: string | null }) => {
        end()
        this.#exchanges.inc({ type, outcome, code: toCodeLabel(code) })
      },
    }
  }

  transaction(seconds: number): void {
    this.#transactions.observe(seconds)
  }

  /** Returns the reasons why the authority is not ready: `starting` until there is one to measure. */
  async notReadyReasons(): Promise<readonly string[]> {
    return this.#authority === null ? ['starting'] : this.#authority.server.notReadyReasons()
  }

  async render(): Promise<{ contentType: string; text: string }> {
    const now = performance.now()
    if (this.#collection === null || now - this.#collection.at > MAX_AGE_MS)
      this.#collection = { at: now, done: this.#collect() }
    await this.#collection.done
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  /** Collects the values. Removes the series if the database does not answer, so that no stale value is exported. */
  async #collect(): Promise<void> {
    const { up, instances, owned, inUse, reserved, leftOut, alerts, waiting, certificates } = this.#gauges
    for (const gauge of [instances, owned, inUse, reserved, alerts, waiting, certificates]) gauge.reset()
    let stats: AuthorityStats | null = null
    try {
      if (this.#authority) stats = await withTimeout(COLLECT_TIMEOUT_MS, this.#authority.stats.collect())
    } catch {
      stats = null
    }
    up.set(stats ? 1 : 0)
    if (!stats) return
    for (const [status, count] of Object.entries(stats.instances)) instances.set({ status }, count)
    for (const pool of stats.pools.slice(0, MAX_POOLS)) {
      const labels = { account: pool.account, virtual_account: pool.virtualAccount, tag: pool.tag }
      owned.set(labels, pool.quantity)
      inUse.set(labels, pool.inUse)
      reserved.set(labels, pool.reserved)
    }
    leftOut.set(Math.max(0, stats.pools.length - MAX_POOLS))
    for (const [severity, count] of Object.entries(stats.alerts)) alerts.set({ severity }, count)
    for (const [kind, count] of Object.entries(stats.waiting)) waiting.set({ kind }, count)
    for (const [certificate, seconds] of Object.entries(stats.certificates))
      certificates.set({ certificate }, seconds)
  }
}

function createGauges(prefix: string, registry: Registry) {
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge<L>({ name: `${prefix}_${name}`, help, labelNames, registers: [registry] })
  const pool: ('account' | 'virtual_account' | 'tag')[] = ['account', 'virtual_account', 'tag']
  return {
    up: gauge('database_up', '1 while the database answers.', []),
    instances: gauge('instances', 'Product instances by status.', ['status']),
    owned: gauge('licenses_owned', 'Licenses that a pool owns.', pool),
    inUse: gauge('licenses_in_use', 'Licenses of a pool that product instances use.', pool),
    reserved: gauge('licenses_reserved', 'Licenses of a pool that are reserved.', pool),
    leftOut: gauge('pools_left_out', 'Pools without metrics, because their number exceeds the limit.', []),
    alerts: gauge('alerts', 'Open alerts by severity.', ['severity']),
    waiting: gauge('deliveries_waiting', 'Deliveries that wait to be sent, by kind.', ['kind']),
    certificates: gauge(
      'certificate_remaining_seconds',
      'Seconds until a certificate expires, by the time of the authority.',
      ['certificate'],
    ),
  }
}
