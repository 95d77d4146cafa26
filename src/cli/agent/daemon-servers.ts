import type { SmartAgent } from '../../index.ts'
import type { AgentLogger } from '../../agent/logger.ts'
import type { ServedPage } from '../../console/device-console.ts'
import type { ServedInspector } from '../../console/inspector.ts'
import type { OperationsServer } from '../../telemetry/operations-server.ts'
import { parseAddress } from '../address.ts'
import { metricsAddress } from '../operations-options.ts'
import { pageText } from '../page-text.ts'

interface Wanted {
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
  static async begin(agent: SmartAgent, wanted: Wanted): Promise<DaemonServers> {
    const { dataDir, listen, names, inspect, metrics, logger } = wanted
    const metricsAt = metrics === undefined ? null : metricsAddress(metrics)
    const at = listen === undefined ? null : parseAddress(listen)
    const inspectAt = inspect === undefined ? null : parseAddress(inspect)
    const page =
      at &&
      (await (
        await import('../../console/device-console.ts')
      ).serveBoxPage(agent, { dataDir, ...at, names, logger }))
    let inspector: ServedInspector | null = null
    try {
      inspector =
        inspectAt && (await (await import('../../console/inspector.ts')).serveInspector(agent, inspectAt))
      const served = new DaemonServers(page, inspector)
      if (metricsAt) await served.#measure(agent, metricsAt)
      return served
    } catch (thrown) {
      await inspector?.close()
      await page?.close()
      throw thrown
    }
  }

  async #measure(agent: SmartAgent, at: { host: string; port: number }): Promise<void> {
    const [{ AgentMetrics }, { serveOperations }] = await Promise.all([
      import('../../telemetry/agent-metrics.ts'),
      import('../../telemetry/operations-server.ts'),
    ])
    const unready = () => Promise.resolve(this.#unready(agent))
    const metrics = new AgentMetrics(agent, { unready, connections: () => this.#page?.connections ?? null })
    this.#operations = await serveOperations({ ...at, render: () => metrics.render(), unready })
  }

  /** Why the agent cannot do its work. A road that is down is no reason: a box works on for months without. */
  #unready(agent: SmartAgent): readonly string[] {
    if (this.#draining) return ['draining']
    try {
      agent.history(1)
      return []
    } catch {
      return ['database']
    }
  }

  /** For programs: where each is. */
  document(): object {
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
  lines(): string[] {
    return [
      ...(this.#page ? [pageText('Smart Licenses', this.#page)] : []),
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
