import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import { LicensingError } from '../../core/errors.ts'
import { printJson, printText } from '../output.ts'
import type { CommandName } from './agent-client.ts'

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
    call: async <T>(verb: CommandName, params: object = {}) => {
      const { callAgent } = await import('./agent-client.ts')
      return (await callAgent(dataDir(), verb, params)) as T
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
