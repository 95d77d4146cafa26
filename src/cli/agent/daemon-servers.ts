import type { SmartAgent } from '../../index.ts'
import type { AgentLogger } from '../../agent/logger.ts'
import type { ServedPage } from '../../console/device-console.ts'
import type { ServedInspector } from '../../console/inspector.ts'
import type { OperationsServer } from '../../telemetry/operations-server.ts'
import { parseAddress } from '../address.ts'
import { parseMetricsAddress } from '../operations-options.ts'
import { formatPage } from '../format-page.ts'

interface DaemonServerOptions {
  readonly dataDir: string
  readonly listen?: string | undefined
  readonly names: readonly string[]
  readonly inspect?: string | undefined
  readonly metrics?: string | undefined
  readonly logger: AgentLogger
}

/** What a daemon serves beside its control socket: the page, inspectors of the chart, metrics. */
export class DaemonServers {
  readonly #page: ServedPage | null
  readonly #inspector: ServedInspector | null
  #operations: OperationsServer | null = null
  #draining = false

  private constructor(page: ServedPage | null, inspector: ServedInspector | null) {
    this.#page = page
    this.#inspector = inspector
  }

  /** @throws LicensingError INVALID_ARGUMENT, ADDRESS_IN_USE, STORE_* */
  static async start(agent: SmartAgent, options: DaemonServerOptions): Promise<DaemonServers> {
    const { dataDir, listen, names, inspect, metrics, logger } = options
    const metricsAt = metrics === undefined ? null : parseMetricsAddress(metrics)
    const at = listen === undefined ? null : parseAddress(listen)
    const inspectAt = inspect === undefined ? null : parseAddress(inspect)
    const page =
      at &&
      (await (
        await import('../../console/device-console.ts')
      ).serveDeviceConsole(agent, { dataDir, ...at, names, logger }))
    let inspector: ServedInspector | null = null
    try {
      inspector =
        inspectAt && (await (await import('../../console/inspector.ts')).serveInspector(agent, inspectAt))
      const served = new DaemonServers(page, inspector)
      if (metricsAt) await served.#startMetrics(agent, metricsAt)
      return served
    } catch (error) {
      await inspector?.close()
      await page?.close()
      throw error
    }
  }

  async #startMetrics(agent: SmartAgent, at: { host: string; port: number }): Promise<void> {
    const [{ AgentMetrics }, { serveOperations }] = await Promise.all([
      import('../../telemetry/agent-metrics.ts'),
      import('../../telemetry/operations-server.ts'),
    ])
    const unready = () => Promise.resolve(this.#getNotReadyReasons(agent))
    const metrics = new AgentMetrics(agent, {
      notReadyReasons: unready,
      connections: () => this.#page?.connections ?? null,
    })
    this.#operations = await serveOperations({
      ...at,
      render: () => metrics.render(),
      notReadyReasons: unready,
    })
  }

  /** Why the agent cannot do its work. A road that is down is no reason: a box works on for months without. */
  #getNotReadyReasons(agent: SmartAgent): readonly string[] {
    if (this.#draining) return ['draining']
    try {
      agent.history(1)
      return []
    } catch {
      return ['database']
    }
  }

  /** For programs: where each is. */
  toDocument(): object {
    const [page, inspector] = [this.#page, this.#inspector]
    return {
      ...(page && {
        page: page.url,
        fingerprint: page.fingerprint,
        firstPasswordFile: page.firstPasswordFile,
      }),
      ...(inspector && { inspector: inspector.url }),
      ...(this.#operations && { metrics: this.#operations.url }),
    }
  }

  /** For people: a line each. */
  formatLines(): string[] {
    return [
      ...(this.#page ? [formatPage('Smart Licenses', this.#page)] : []),
      ...(this.#inspector ? [`Inspectors are told on ${this.#inspector.url}.`] : []),
      ...(this.#operations ? [`Metrics are on ${this.#operations.url}/metrics.`] : []),
    ]
  }

  /** Takes nothing new on the page, and answers what is under way; whoever asks is told. */
  async drain(): Promise<void> {
    this.#draining = true
    await this.#page?.drain()
  }

  async close(): Promise<void> {
    await this.#operations?.close()
    await this.#page?.close()
    await this.#inspector?.close()
  }
}
