import { toIsoString } from '../core/time.ts'
import { type Explanation, explain } from './explain.ts'
import type { HistoryRow } from './history-table.ts'
import { createServices, type OpenOptions } from './open-agent.ts'
import { clockStateSchema } from './persisted-state.ts'
import type { Status } from './status.ts'
import { AgentStore } from './store.ts'

/** State of a device at the last commit of its agent. */
export interface LastCommit<StatusPart extends object = object> {
  /** Wall clock of the device at the commit. */
  readonly at: string
  readonly status: Status & StatusPart
  readonly explanation: Explanation
  /** Newest rows of the history, oldest first. */
  readonly history: readonly HistoryRow[]
}

/**
 * Reads the last commit of an agent that another process has opened. Takes no lock, applies no elapsed time, and changes
 * nothing on disk.
 *
 * @throws LicensingError DATA_DIR_MISSING, DATA_DIR_UNSAFE, DATA_DIR_LOCKED, STORE_*, DATA_VERSION_UNSUPPORTED
 */
export async function readLastCommit<Api, StatusPart extends object>(
  options: Pick<OpenOptions<Api, StatusPart>, 'dataDir' | 'module' | 'clock' | 'sqlite'>,
  historyLimit = 100,
): Promise<LastCommit<StatusPart>> {
  const store = await AgentStore.openCopy(options.dataDir, options.sqlite)
  try {
    const { core, readStatus } = store.commit(() => createServices(store, undefined, options, false))
    const status = readStatus()
    return {
      at: toIsoString(store.read('clock', clockStateSchema)?.wall ?? core.clock.now()),
      status,
      explanation: explain(core, status),
      history: store.history.list(historyLimit),
    }
  } finally {
    store.close()
  }
}
