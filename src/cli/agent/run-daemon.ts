import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { SmartAgent } from '../../index.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'
import { LOCK_TIMEOUT_MS } from './agent-cli.ts'

/** Runs the daemon with its heartbeat, control socket and servers until a shutdown signal. */
export async function runDaemon<T extends { drain: () => Promise<void>; close: () => Promise<void> }>(
  dataDir: string,
  options: {
    logger: import('../../agent/logger.ts').AgentLogger
    observe?: import('../../agent/observer.ts').AgentObserver
    serve: (agent: SmartAgent) => Promise<T>
    ready: (served: T) => void
  },
): Promise<void> {
  const [{ SmartAgent }, { connectToDaemon, serveControl }, { systemClock }] = await Promise.all([
    import('../../index.ts'),
    import('../../agent/control.ts'),
    import('../../core/system-clock.ts'),
  ])
  const { logger, observe } = options
  const end = systemClock.uptime() + LOCK_TIMEOUT_MS
  const open = async () => {
    for (;;) {
      try {
        return await SmartAgent.open({ dataDir, logger, ...(observe && { observer: observe }) })
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
  const stopped = onShutdownSignal()
  const agent = await open()
  const control = await serveControl(agent, dataDir)
  const served = await options.serve(agent).catch(async (error: unknown) => {
    await control.close()
    await agent.close()
    throw error
  })
  options.ready(served)
  await stopped
  logger.info('stopping')
  await Promise.all([served.drain(), control.drain()])
  await control.close()
  await served.close()
  await agent.close()
  logger.info('stopped')
}
