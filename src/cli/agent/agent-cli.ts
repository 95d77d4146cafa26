import type { Command } from 'commander'
import type { ControlCommandName } from '../../agent/control-commands.ts'
import type { ConferencingCommandName } from '../../conferencing/index.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { Status } from '../../index.ts'
import { printJson, printText } from '../output.ts'

/** A command that the program may ask of an agent: one of the agent's own, or of the conferencing module. */
export type CommandName = ControlCommandName | ConferencingCommandName

/** How long a command that finds the data directory in use waits for it, by the machine's own uptime. */
export const LOCK_TIMEOUT_MS = 5_000
/** How long a command works on what is due before it does its own. */
const DUE_WORK_TIMEOUT_MS = 10_000

/** Options of the program, and access to the agent, for its commands. */
export interface AgentCli {
  readonly json: () => boolean
  readonly dataDir: () => string
  /** Calls the running daemon, or an agent that is opened for this one call. */
  readonly call: <T>(verb: CommandName, params?: object) => Promise<T>
  /** Prints the Status document, or its short form for people. */
  readonly printStatus: (status: Status) => Promise<void>
  /** Says that something takes its time, to people only. */
  readonly progress: (text: string) => void
}

/** Creates what the commands of a program share. The options are read when a command runs. */
export function createAgentCli(program: Command): AgentCli {
  const globals = () => program.opts<{ dataDir?: string; json?: boolean }>()
  const json = () => globals().json ?? false
  const dataDir = () => {
    const dir = globals().dataDir ?? process.env.SMART_AGENT_DATA_DIR ?? '/var/lib/smart-agent'
    if (dir === '') throw new LicensingError('INVALID_ARGUMENT', 'The data directory has no name.')
    return dir
  }
  return {
    json,
    dataDir,
    call: async <T>(verb: CommandName, params: object = {}) =>
      (await callAgent(dataDir(), verb, params)) as T,
    printStatus: async (status) => {
      if (json()) {
        printJson(status)
        return
      }
      const { formatStatus } = await import('./format.ts')
      printText(formatStatus(status))
    },
    progress: (text) => {
      if (!json() && process.stderr.isTTY) process.stderr.write(`${text}\n`)
    },
  }
}

/**
 * Asks for one verb: of the running daemon, or, with none running, of an agent opened here under the lock
 * of its data directory, for this one thing.
 */
async function callAgent(dataDir: string, verb: CommandName, params: unknown = {}): Promise<unknown> {
  const { systemClock } = await import('../../core/system-clock.ts')
  const end = systemClock.uptime() + LOCK_TIMEOUT_MS
  for (;;) {
    const { callDaemon, connectToDaemon } = await import('../../agent/control.ts')
    const daemon = await connectToDaemon(dataDir)
    if (daemon) return callDaemon(daemon, verb, params)
    try {
      return await runHere(dataDir, verb, params)
    } catch (error) {
      const failure = toLicensingError(error)
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
    if (!reads) await withTimeout(DUE_WORK_TIMEOUT_MS, agent.idle())
    const result = await call(params)
    // Without a daemon nobody else makes the attempt: it is made before leaving, whatever becomes of it.
    if (
      !reads &&
      typeof params === 'object' &&
      params !== null &&
      'wait' in params &&
      params.wait === false
    ) {
      await withTimeout(DUE_WORK_TIMEOUT_MS, agent.idle())
      return agent.status()
    }
    // Nobody stays to report a change within its minute, so it is reported before leaving.
    if (!reads) await withTimeout(DUE_WORK_TIMEOUT_MS, agent.flushUsage())
    return verb === 'usage-set' ? agent.status() : result
  } finally {
    await agent.close()
  }
}
