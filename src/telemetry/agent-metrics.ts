import { errnoCode } from '../core/errno-code.ts'
import { Counter, Gauge, type Registry } from 'prom-client'
import { CONNECTION_STATES, LICENSE_STATES } from '../../machines/state-names.ts'
import type { SmartAgent } from '../agent/agent.ts'
import type { Status } from '../agent/status.ts'
import type { ConnectionLimiter } from '../http/connection-limiter.ts'
import { toCodeLabel, createRegistry } from './common-metrics.ts'
import { registerConnectionMetrics } from './connection-metrics.ts'

/** Metric labels by request outcome in the machine's events. */
const OUTCOME_LABELS: Readonly<Record<string, string>> = {
  accepted: 'accepted',
  refused: 'refused',
  unreachable: 'failed',
}

/** Status document, with the host counts of a conferencing product. */
type StatusWithHosts = Status & {
  readonly hosts?: { readonly assigned: number; readonly permanent: number; readonly demo: number }
}

/** Part of an agent that its metrics read. */
interface MetricsSource extends Pick<SmartAgent, 'now' | 'on'> {
  status(): StatusWithHosts
}

/** Prometheus metrics of an agent. Requests are counted as they happen, and other values are read on each scrape. */
export class AgentMetrics {
  readonly #registry: Registry
  readonly #agent: MetricsSource
  readonly #gauges: ReturnType<typeof createGauges>
  /** Stops to observe the agent and the process. */
  readonly close: () => void

  constructor(
    agent: MetricsSource,
    options: {
      notReadyReasons: () => Promise<readonly string[]>
      connections: () => ConnectionLimiter | null
    },
  ) {
    const prefix = 'smart_agent'
    this.#agent = agent
    const { registry, stop } = createRegistry(prefix, options.notReadyReasons)
    this.#registry = registry
    registerConnectionMetrics(prefix, this.#registry, options.connections)
    this.#gauges = createGauges(prefix, this.#registry)
    const requests = new Counter({
      name: `${prefix}_requests_total`,
      help: 'Requests to the authority by outcome; failed requests got no answer.',
      labelNames: ['kind', 'outcome', 'code'],
      registers: [this.#registry],
    })
    const stopCounting = agent.on('transition', ({ event }) => {
      const [kind = '', requestOutcome = ''] = event.type.split('.')
      const outcome = OUTCOME_LABELS[requestOutcome]
      if (outcome !== undefined)
        requests.inc({
          kind,
          outcome,
          code: toCodeLabel('failure' in event ? errnoCode(event.failure) : null),
        })
    })
    this.close = () => {
      stop()
      stopCounting()
    }
  }

  async render(): Promise<{ contentType: string; text: string }> {
    this.#collect(this.#agent.status())
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  #collect(status: StatusWithHosts): void {
    const gauges = this.#gauges
    for (const gauge of [gauges.count, gauges.status, gauges.authorization, gauges.registration])
      gauge.reset()
    for (const state of LICENSE_STATES) gauges.state.set({ state }, status.state === state ? 1 : 0)
    for (const link of CONNECTION_STATES) gauges.link.set({ link }, status.transport.link === link ? 1 : 0)
    gauges.functional.set(status.functionality === 'full' ? 1 : 0)
    gauges.trusted.set(status.clock.trusted ? 1 : 0)
    gauges.evaluation.set(status.evaluation.remainingSeconds)
    const { deadlineAt } = status.authorization
    // Without a deadline there is no series, so that no alert fires.
    if (deadlineAt !== null) gauges.authorization.set({}, this.#secondsUntil(deadlineAt))
    const { expiresAt } = status.registration
    if (expiresAt !== null) gauges.registration.set({}, this.#secondsUntil(expiresAt))
    for (const { tag, count, status: tagStatus } of status.entitlements) {
      gauges.count.set({ tag }, count)
      gauges.status.set({ tag, status: tagStatus }, 1)
    }
    for (const [kind, count] of Object.entries(status.hosts ?? {})) gauges.hosts.set({ kind }, count)
  }

  #secondsUntil(instant: string): number {
    return (Date.parse(instant) - this.#agent.now) / 1000
  }
}

function createGauges(prefix: string, registry: Registry) {
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge<L>({ name: `${prefix}_${name}`, help, labelNames, registers: [registry] })
  // The label makes prom-client export no value until one is set.
  const optional = (name: string, help: string) => gauge<'none'>(name, help, ['none'])
  return {
    state: gauge('state', '1 for the current license state.', ['state']),
    functional: gauge(
      'fully_functional',
      '1 while all features work; 0 while only license management works.',
      [],
    ),
    link: gauge('link', '1 for the state of the connection to the authority at the last request.', ['link']),
    trusted: gauge('clock_trusted', '1 while the device clock is trusted.', []),
    evaluation: gauge('evaluation_remaining_seconds', 'Remaining seconds of the evaluation period.', []),
    authorization: optional(
      'authorization_remaining_seconds',
      'Seconds until the authorization expires, by the license time of the device.',
    ),
    registration: optional(
      'registration_remaining_seconds',
      'Seconds until the registration expires, by the license time of the device.',
    ),
    count: gauge('entitlement_count', 'Licenses in use by tag.', ['tag']),
    status: gauge('entitlement_status', '1 for the current status of a tag.', ['tag', 'status']),
    hosts: gauge('hosts', 'Host licenses by kind.', ['kind']),
  }
}
