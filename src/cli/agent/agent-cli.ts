import type { Command } from 'commander'
import type { ControlCommandName } from '../../agent/control-commands.ts'
import type { StartDeadline } from '../../agent/control-requests.ts'
import type { ConferencingCommandName } from '../../conferencing/index.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { Status } from '../../index.ts'
import { printJson, printText, printWarning } from '../output.ts'

/** Name of a control command of the agent or of the conferencing module. */
export type CommandName = ControlCommandName | ConferencingCommandName

/** Command whose result the last commit of the data directory also has. */
type ReadCommandName = 'status' | 'explain' | 'history'

/** Maximum wait for a locked data directory, measured by the system's uptime. */
export const LOCK_TIMEOUT_MS = 5_000
/** Maximum time a one-shot command spends on due work. */
const DUE_WORK_TIMEOUT_MS = 10_000

/** Program options and access to the agent, passed to each command. */
export interface AgentCli {
  readonly json: () => boolean
  readonly dataDir: () => string
  /** Calls the running daemon, or an agent opened for this one call. */
  readonly call: <T>(verb: CommandName, params?: object) => Promise<T>
  /**
   * Calls a command that only reads. If the daemon does not answer, reads the last commit of the data directory, and says so
   * on standard error.
   */
  readonly read: <T>(verb: ReadCommandName, params?: { limit?: number }) => Promise<T>
  /** Prints the Status document as JSON, or its text form. */
  readonly printStatus: (status: Status) => Promise<void>
  /** Prints a progress message on a terminal, unless `--json` is given. */
  readonly progress: (text: string) => void
}

/**
 * Creates the context shared by all commands. The program options are read when a command runs.
 *
 * @param startDeadline limits the time in which a daemon must answer, for tests
 */
export function createAgentCli(program: Command, startDeadline?: StartDeadline): AgentCli {
  const globals = () => program.opts<{ dataDir?: string; json?: boolean }>()
  const json = () => globals().json ?? false
  const dataDir = () => {
    const dir = globals().dataDir ?? process.env.SMART_AGENT_DATA_DIR ?? '/var/lib/smart-agent'
    if (dir === '') throw new LicensingError('INVALID_ARGUMENT', 'The path of the data directory is empty.')
    return dir
  }
  const call = (verb: CommandName, params: object) => callAgent(dataDir(), { verb, params, startDeadline })

  async function readLastCommit(
    verb: ReadCommandName,
    limit = 100,
    failure: LicensingError,
  ): Promise<unknown> {
    const [lastCommit, { conferencing }] = await Promise.all([
      import('../../agent/last-commit.ts'),
      import('../../conferencing/index.ts'),
    ])
    const options = { dataDir: dataDir(), module: conferencing() }
    const { at, status, explanation, history } = await lastCommit.readLastCommit(options, limit)
    printWarning(failure, `This is the last commit of ${at}, without the time since.`, json())
    if (verb === 'history') return history
    return verb === 'status' ? status : explanation
  }

  return {
    json,
    dataDir,
    call: async <T>(verb: CommandName, params: object = {}) => (await call(verb, params)) as T,
    read: async <T>(verb: ReadCommandName, params: { limit?: number } = {}) => {
      try {
        return (await call(verb, params)) as T
      } catch (error) {
        const failure = toLicensingError(error)
        if (failure.code !== 'DAEMON_UNREACHABLE') throw failure
        return (await readLastCommit(verb, params.limit, failure)) as T
      }
    },
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
 * Runs one command in the daemon. Without a daemon, opens the agent here under the lock of its data directory, and closes
 * the agent afterwards.
 */
async function callAgent(
  dataDir: string,
  {
    verb,
    params,
    startDeadline,
  }: { verb: CommandName; params: object; startDeadline: StartDeadline | undefined },
): Promise<unknown> {
  const { systemClock } = await import('../../core/system-clock.ts')
  const end = systemClock.uptime() + LOCK_TIMEOUT_MS
  for (;;) {
    const [{ connectToDaemon }, { callDaemon }] = await Promise.all([
      import('../../agent/control.ts'),
      import('../../agent/control-requests.ts'),
    ])
    const daemon = await connectToDaemon(dataDir)
    if (daemon) return callDaemon(daemon, verb, params, startDeadline)
    try {
      return await runHere(dataDir, verb, params)
    } catch (error) {
      const failure = toLicensingError(error)
      if (failure.code !== 'DATA_DIR_LOCKED' || systemClock.uptime() >= end) throw failure
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function runHere(dataDir: string, verb: CommandName, params: object): Promise<unknown> {
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
    // Without a daemon, no later run makes the attempt soon. So make it before closing, even if it fails.
    if (!reads && 'wait' in params && params.wait === false) {
      await withTimeout(DUE_WORK_TIMEOUT_MS, agent.idle())
      return agent.status()
    }
    // The agent reports usage changes within a minute. This process ends earlier, so report them now.
    if (!reads) await withTimeout(DUE_WORK_TIMEOUT_MS, agent.flushUsage())
    return verb === 'usage-set' ? agent.status() : result
  } finally {
    await agent.close()
  }
}
