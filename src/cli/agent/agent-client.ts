import { asLicensingError, LicensingError } from '../../core/errors.ts'
import type { ControlCommandName } from '../../agent/control-commands.ts'
import type { ConferencingCommandName } from '../../conferencing/index.ts'
import type { SmartAgent } from '../../index.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'

/** A command that the program may ask of an agent: one of the agent's own, or of the conferencing module. */
export type CommandName = ControlCommandName | ConferencingCommandName

/** How long a command that finds the data directory in use waits for it, by the machine's own uptime. */
const LOCK_PATIENCE = 5_000
/** How long a command works on what is due before it does its own. */
const DUE_PATIENCE = 10_000

/**
 * Asks for one verb: of the running daemon, or, with none running, of an agent opened here under the lock
 * of its data directory, for this one thing.
 */
export async function callAgent(dataDir: string, verb: CommandName, params: unknown = {}): Promise<unknown> {
  const { systemClock } = await import('../../core/system-clock.ts')
  const end = systemClock.uptime() + LOCK_PATIENCE
  for (;;) {
    const { askDaemon, connectControl } = await import('../../agent/control.ts')
    const daemon = await connectControl(dataDir)
    if (daemon) return askDaemon(daemon, verb, params)
    try {
      return await runHere(dataDir, verb, params)
    } catch (thrown) {
      const failure = asLicensingError(thrown)
      if (failure.code !== 'DATA_DIR_LOCKED' || systemClock.uptime() >= end) throw failure
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function runHere(dataDir: string, verb: CommandName, params: unknown): Promise<unknown> {
  const [{ SmartAgent }, { findCommand }, { withTimeout }] = await Promise.all([
    import('../../index.ts'),
    import('../../agent/control-commands.ts'),
    import('../../transports/deadline.ts'),
  ])
  const agent = await SmartAgent.open({ dataDir, heartbeat: false })
  try {
    const { reads, call } = findCommand(agent, verb)
    if (!reads) await withTimeout(DUE_PATIENCE, agent.idle())
    const result = await call(params)
    // Without a daemon nobody else makes the attempt: it is made before leaving, whatever becomes of it.
    if (
      !reads &&
      typeof params === 'object' &&
      params !== null &&
      'wait' in params &&
      params.wait === false
    ) {
      await withTimeout(DUE_PATIENCE, agent.idle())
      return agent.status()
    }
    // Nobody stays to report a change within its minute, so it is reported before leaving.
    if (!reads) await withTimeout(DUE_PATIENCE, agent.flushUsage())
    return verb === 'usage-set' ? agent.status() : result
  } finally {
    await agent.close()
  }
}

/** Runs the daemon: heartbeat, control socket and what else it serves, until it is told to stop. */
export async function runDaemon<T extends { drain: () => Promise<void>; close: () => Promise<void> }>(
  dataDir: string,
  options: {
    logger: import('../../agent/logger.ts').AgentLogger
    observe?: import('../../agent/observer.ts').AgentObserver
    serve: (agent: SmartAgent) => Promise<T>
    ready: (served: T) => void
  },
): Promise<void> {
  const [{ SmartAgent }, { connectControl, serveControl }, { systemClock }] = await Promise.all([
    import('../../index.ts'),
    import('../../agent/control.ts'),
    import('../../core/system-clock.ts'),
  ])
  const { logger, observe } = options
  const end = systemClock.uptime() + LOCK_PATIENCE
  const open = async () => {
    for (;;) {
      try {
        return await SmartAgent.open({ dataDir, logger, ...(observe && { observer: observe }) })
      } catch (thrown) {
        const failure = asLicensingError(thrown)
        if (failure.code !== 'DATA_DIR_LOCKED') throw failure
        const daemon = await connectControl(dataDir)
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
  const served = await options.serve(agent).catch(async (thrown: unknown) => {
    await control.close()
    await agent.close()
    throw thrown
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
