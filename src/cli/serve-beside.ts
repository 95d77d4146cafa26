import type { SmartAgent } from '../agent/agent.ts'
import type { AgentLogger } from '../agent/logger.ts'
import type { ServedPage } from '../console/box.ts'
import type { ServedInspector } from '../console/inspector.ts'
import { parseAddress } from './address.ts'
import { pageText } from './page-text.ts'

interface Wanted {
  readonly dataDir: string
  readonly listen?: string | undefined
  readonly names: readonly string[]
  readonly inspect?: string | undefined
  readonly logger: AgentLogger
}

/** What a daemon serves beside its control socket: the page, and inspectors of the chart. */
export class ServedBeside {
  readonly #page: ServedPage | null
  readonly #inspector: ServedInspector | null

  private constructor(page: ServedPage | null, inspector: ServedInspector | null) {
    this.#page = page
    this.#inspector = inspector
  }

  /** @throws LicensingError INVALID_ARGUMENT, ADDRESS_IN_USE, STORE_* */
  static async begin(agent: SmartAgent, wanted: Wanted): Promise<ServedBeside> {
    const { dataDir, listen, names, inspect, logger } = wanted
    const at = listen === undefined ? null : parseAddress(listen)
    const inspectAt = inspect === undefined ? null : parseAddress(inspect)
    const page =
      at && (await (await import('../console/box.ts')).serveBoxPage(agent, { dataDir, ...at, names, logger }))
    try {
      const inspector =
        inspectAt && (await (await import('../console/inspector.ts')).serveInspector(agent, inspectAt))
      return new ServedBeside(page, inspector)
    } catch (thrown) {
      await page?.close()
      throw thrown
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
    }
  }

  /** For people: a line each. */
  lines(): string[] {
    return [
      ...(this.#page ? [pageText('Smart Licenses', this.#page)] : []),
      ...(this.#inspector ? [`Inspectors are told on ${this.#inspector.url}.`] : []),
    ]
  }

  async close(): Promise<void> {
    await this.#page?.close()
    await this.#inspector?.close()
  }
}
