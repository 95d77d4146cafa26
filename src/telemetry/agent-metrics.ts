import { errnoCode } from '../core/errno-code.ts'
import { Counter, Gauge, type Registry } from 'prom-client'
import { CONNECTION_STATES, LICENSE_STATES } from '../../machines/state-names.ts'
import type { SmartAgent } from '../agent/agent.ts'
import type { Status } from '../agent/status.ts'
import type { ConnectionLimiter } from '../http/connection-limiter.ts'
import { toCodeLabel, createRegistry } from './common-metrics.ts'
import { registerConnectionMetrics } from './connection-metrics.ts'

/** How a request ended, in the words of the chart's events, and as a label. */
const OUTCOME_LABELS: Readonly<Record<string, string>> = {
  accepted: 'accepted',
  refused: 'refused',
  unreachable: 'failed',
}

/** Status document with the part of the conferencing module, where the product has it. */
type StatusWithHosts = Status & {
  readonly hosts?: { readonly assigned: number; readonly permanent: number; readonly demo: number }
}

/** Part of an agent that its metrics read. */
interface MetricsSource extends Pick<SmartAgent, 'now' | 'on'> {
  status(): StatusWithHosts
}

/** What a Prometheus server reads of an agent. It is told of its requests, and asks for the rest. */
export class AgentMetrics {
  readonly #registry: Registry
  readonly #agent: MetricsSource
  readonly #gauges: ReturnType<typeof createGauges>

  constructor(
    agent: MetricsSource,
    options: {
      notReadyReasons: () => Promise<readonly string[]>
      connections: () => ConnectionLimiter | null
    },
  ) {
    const prefix = 'smart_agent'
    this.#agent = agent
    this.#registry = createRegistry(prefix, options.notReadyReasons)
    registerConnectionMetrics(prefix, this.#registry, options.connections)
    this.#gauges = createGauges(prefix, this.#registry)
    const requests = new Counter({
      name: `${prefix}_requests_total`,
      help: 'Requests to the authority, by how they ended; failed ones got no answer.',
      labelNames: ['kind', 'outcome', 'code'],
      registers: [this.#registry],
    })
    agent.on('transition', ({ event }) => {
      const [kind = '', ending = ''] = event.type.split('.')
      const outcome = OUTCOME_LABELS[ending]
      if (outcome !== undefined)
        requests.inc({
          kind,
          outcome,
          code: toCodeLabel('failure' in event ? errnoCode(event.failure) : null),
        })
    })
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
    // Without a deadline there is no series, and nothing to alarm on.
    if (deadlineAt !== null) gauges.authorization.set({}, this.#secondsUntil(deadlineAt))
    const { expiresAt } = status.registration
    if (expiresAt !== null) gauges.registration.set({}, this.#secondsUntil(expiresAt))
    for (const { tag, count, status: standing } of status.entitlements) {
      gauges.count.set({ tag }, count)
      gauges.status.set({ tag, status: standing }, 1)
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
  /** A gauge without labels that has no value until it is given one. */
  const optional = (name: string, help: string) => gauge<'none'>(name, help, ['none'])
  return {
    state: gauge('state', '1 for the state that the box is in.', ['state']),
    functional: gauge('fully_functional', '1 while everything works; 0 with license management only.', []),
    link: gauge('link', '1 for how the road to the authority was at the last request.', ['link']),
    trusted: gauge('clock_trusted', '1 while the clock of the box is believed.', []),
    evaluation: gauge('evaluation_remaining_seconds', 'Seconds of evaluation that are left.', []),
    authorization: optional(
      'authorization_remaining_seconds',
      'Until the authorization ends, by the clock of the box.',
    ),
    registration: optional(
      'registration_remaining_seconds',
      'Until the registration ends, by the clock of the box.',
    ),
    count: gauge('entitlement_count', 'Licenses of a tag in use.', ['tag']),
    status: gauge('entitlement_status', '1 for how a tag stands.', ['tag', 'status']),
    hosts: gauge('hosts', 'Host licenses, by kind.', ['kind']),
  }
}
