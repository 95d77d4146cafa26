import { agentClosedError } from '../agent/agent-closed.ts'
import type { ControlServer } from '../agent/control.ts'
import type { AgentServers, ServedAgent, ServeOptions, ServersOptions } from '../agent/served-agent.ts'
import type { DeviceAgent } from '../console/device/device-agent.ts'
import { LicensingError } from '../core/errors.ts'

/** Starts the servers of an agent, and closes them with the agent. Loads the code of each server when it starts. */
export class Servers implements AgentServers {
  readonly #agent: DeviceAgent
  readonly #options: ServersOptions
  readonly #served = new Set<ServedAgent>()
  #isControlServed = false
  #isClosed = false

  constructor(agent: DeviceAgent, options: ServersOptions) {
    this.#agent = agent
    this.#options = options
  }

  /** @throws LicensingError ALREADY_SERVED, INVALID_ARGUMENT, ADDRESS_IN_USE, STORE_* */
  async serve({ control: wantsControl = false, ...addresses }: ServeOptions): Promise<ServedAgent> {
    const control = wantsControl ? await this.#serveControl() : null
    let http
    try {
      const { startHttpServers } = await import('./http-servers.ts')
      const { dataDir, logger } = this.#options
      http = await startHttpServers(this.#agent, { ...addresses, dataDir, logger })
    } catch (error) {
      await control?.close()
      throw error
    }
    const { drain, close: closeHttp, ...urls } = http
    let closed: Promise<unknown> | null = null
    const close = async () => {
      this.#served.delete(served)
      closed ??= Promise.all([control?.close(), closeHttp()])
      await closed
    }
    const served: ServedAgent = {
      ...urls,
      drain: async () => {
        await Promise.all([control?.drain(), drain()])
      },
      close,
      [Symbol.asyncDispose]: close,
    }
    this.#served.add(served)
    // The agent may have been closed while its servers started.
    if (this.#isClosed) {
      await close()
      throw agentClosedError()
    }
    return served
  }

  async #serveControl(): Promise<ControlServer> {
    if (this.#isControlServed)
      throw new LicensingError('ALREADY_SERVED', 'This agent already serves its control socket.')
    this.#isControlServed = true
    try {
      const { serveControl } = await import('../agent/control.ts')
      const { drain, close } = await serveControl(this.#agent, this.#options)
      return {
        drain,
        close: async () => {
          await close()
          this.#isControlServed = false
        },
      }
    } catch (error) {
      this.#isControlServed = false
      throw error
    }
  }

  /** Closes all servers. A server that fails to close does not keep the others open. */
  async close(): Promise<void> {
    this.#isClosed = true
    const closed = await Promise.allSettled([...this.#served].map((served) => served.close()))
    for (const result of closed)
      if (result.status === 'rejected')
        this.#options.logger.error('a server could not be closed', { reason: String(result.reason) })
  }
}
