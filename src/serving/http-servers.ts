import type { SmartAgent } from '../agent/agent.ts'
import type { AgentLogger } from '../agent/logger.ts'
import type { ListenAddress, ServedAddresses, ServeOptions } from '../agent/served-agent.ts'
import type { ServedPage } from '../console/device-console.ts'
import type { DeviceAgent } from '../console/device/device-agent.ts'

/** HTTP servers of an agent, with their addresses. */
interface HttpServers extends ServedAddresses {
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Running servers by kind. Null for a server that was not started. */
interface RunningServers {
  console: ServedPage | null
  inspect: { readonly url: string; readonly close: () => Promise<void> } | null
  inspectTo: { readonly close: () => void } | null
  metrics: { readonly url: string; readonly close: () => Promise<void> } | null
  isDraining: boolean
}

/**
 * Starts the web console, the state machine inspector and the metrics of an agent. Each server loads its code only when it
 * starts.
 *
 * @throws LicensingError INVALID_ARGUMENT, ADDRESS_IN_USE, STORE_*. No server stays open after an error.
 */
export async function startHttpServers(
  agent: DeviceAgent,
  options: Omit<ServeOptions, 'control'> & { dataDir: string; logger: AgentLogger },
): Promise<HttpServers> {
  const running: RunningServers = {
    console: null,
    inspect: null,
    inspectTo: null,
    metrics: null,
    isDraining: false,
  }
  const close = async () => {
    await running.metrics?.close()
    await running.console?.close()
    await running.inspect?.close()
    running.inspectTo?.close()
  }
  const { dataDir, logger, inspect, inspectTo, metrics } = options
  try {
    if (options.console) {
      const { serveDeviceConsole } = await import('../console/device-console.ts')
      running.console = await serveDeviceConsole(agent, { dataDir, ...options.console, logger })
    }
    if (inspect) {
      const { serveInspector } = await import('../console/inspector.ts')
      running.inspect = await serveInspector(agent, inspect)
    }
    if (inspectTo !== undefined) {
      const { connectToInspector } = await import('../console/inspector-client.ts')
      running.inspectTo = connectToInspector(agent, inspectTo, logger)
    }
    if (metrics) running.metrics = await startMetrics(agent, metrics, running)
  } catch (error) {
    await close()
    throw error
  }
  return {
    console: running.console?.url ?? null,
    fingerprint: running.console?.fingerprint ?? null,
    firstPasswordFile: running.console?.firstPasswordFile ?? null,
    inspect: running.inspect?.url ?? null,
    metrics: running.metrics?.url ?? null,
    drain: async () => {
      running.isDraining = true
      await running.console?.drain()
    },
    close,
  }
}

async function startMetrics(
  agent: DeviceAgent,
  at: ListenAddress,
  running: RunningServers,
): Promise<{ url: string; close: () => Promise<void> }> {
  const [{ AgentMetrics }, { serveOperations }] = await Promise.all([
    import('../telemetry/agent-metrics.ts'),
    import('../telemetry/operations-server.ts'),
  ])
  const notReadyReasons = () => Promise.resolve(getNotReadyReasons(agent, running))
  const metrics = new AgentMetrics(agent, {
    notReadyReasons,
    connections: () => running.console?.connections ?? null,
  })
  try {
    const server = await serveOperations({ ...at, render: () => metrics.render(), notReadyReasons })
    return {
      url: server.url,
      close: async () => {
        metrics.close()
        await server.close()
      },
    }
  } catch (error) {
    metrics.close()
    throw error
  }
}

/**
 * Returns the reasons why the agent is not ready. A failed connection is no such reason, because a device can work
 * offline for months.
 */
function getNotReadyReasons(
  agent: Pick<SmartAgent, 'history'>,
  { isDraining }: RunningServers,
): readonly string[] {
  if (isDraining) return ['draining']
  try {
    agent.history(1)
    return []
  } catch {
    return ['database']
  }
}
