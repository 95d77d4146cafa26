import type { AgentObserver } from '../../agent/observer.ts'
import type { AgentLogger } from '../../agent/logger.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { ServedAddresses, ServeOptions, SmartAgent } from '../../index.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'
import { LOCK_TIMEOUT_MS } from './agent-cli.ts'

interface DaemonOptions {
  readonly logger: AgentLogger
  readonly observer: AgentObserver | null
  /** Servers besides the control socket. */
  readonly serve: ServeOptions
  readonly onReady: (served: ServedAddresses) => void
}

/** Runs the daemon with its heartbeat, control socket and servers until a shutdown signal. */
export async function runDaemon(dataDir: string, options: DaemonOptions): Promise<void> {
  const { logger, observer } = options
  const stopped = onShutdownSignal()
  const agent = await openDaemon(dataDir, { logger, ...(observer && { observer }) })
  try {
    const served = await agent.serve({ control: true, ...options.serve })
    options.onReady(served)
    await stopped
    logger.info('stopping')
    await served.drain()
  } finally {
    await agent.close()
  }
  logger.info('stopped')
}

/** Opens the agent, and waits a few seconds for a process that holds the directory. @throws LicensingError DAEMON_RUNNING */
async function openDaemon(
  dataDir: string,
  options: { logger: AgentLogger; observer?: AgentObserver },
): Promise<SmartAgent> {
  const [{ SmartAgent }, { connectToDaemon }, { systemClock }] = await Promise.all([
    import('../../index.ts'),
    import('../../agent/control.ts'),
    import('../../core/system-clock.ts'),
  ])
  const end = systemClock.uptime() + LOCK_TIMEOUT_MS
  for (;;) {
    try {
      return await SmartAgent.open({ dataDir, ...options })
    } catch (error) {
      const failure = toLicensingError(error)
      if (failure.code !== 'DATA_DIR_LOCKED') throw failure
      const daemon = await connectToDaemon(dataDir)
      daemon?.destroy()
      if (daemon) throw new LicensingError('DAEMON_RUNNING', `A daemon is already running on ${dataDir}.`)
      if (systemClock.uptime() >= end) throw failure
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
