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

/** Servers of a daemon besides its control socket: the web console, the state machine inspector and metrics. */
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
      const servers = new DaemonServers(page, inspector)
      if (metricsAt) await servers.#startMetrics(agent, metricsAt)
      return servers
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
    const notReadyReasons = () => Promise.resolve(this.#getNotReadyReasons(agent))
    const metrics = new AgentMetrics(agent, {
      notReadyReasons,
      connections: () => this.#page?.connections ?? null,
    })
    this.#operations = await serveOperations({
      ...at,
      render: () => metrics.render(),
      notReadyReasons,
    })
  }

  /**
   * Returns the reasons why the agent is not ready. A failed connection is no such reason, because a device can work
   * offline for months.
   */
  #getNotReadyReasons(agent: SmartAgent): readonly string[] {
    if (this.#draining) return ['draining']
    try {
      agent.history(1)
      return []
    } catch {
      return ['database']
    }
  }

  /** Returns the addresses of the servers, for `--json`. */
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

  /** Formats the addresses of the servers, one per line. */
  formatLines(): string[] {
    return [
      ...(this.#page ? [formatPage('Smart Licenses', this.#page)] : []),
      ...(this.#inspector ? [`The state machine inspector is on ${this.#inspector.url}.`] : []),
      ...(this.#operations ? [`Metrics are on ${this.#operations.url}/metrics.`] : []),
    ]
  }

  /** Refuses new requests of the web console and finishes pending ones. Readiness checks report `draining`. */
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
