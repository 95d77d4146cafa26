import { z } from 'zod'
import { HOUR, type Instant, MINUTE } from '../../core/time.ts'
import { MAX_SERVER_NAMES } from '../../protocol/sync-request.ts'
import type { Tx } from '../store/store.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'

/** Time after which a name is dropped that no process has served. A process refreshes its names while it serves. */
const RETENTION_MS = HOUR
const REFRESH_INTERVAL_MS = 10 * MINUTE

/** The instant at which each name was last served, in the order in which the names came. */
const servedNamesSchema = z.record(z.string(), z.number())

/**
 * Records the names that this process serves, and returns the names that any process of the authority serves now, at
 * most 100. Names that came first stay.
 */
export async function recordServedNames(tx: Tx, names: readonly string[], at: Instant): Promise<string[]> {
  const stored = servedNamesSchema.parse(JSON.parse((await readKeySetting(tx, 'served-names')) ?? '{}'))
  const live = Object.entries(stored).filter(
    ([name, servedAt]) => names.includes(name) || Math.abs(at - servedAt) < RETENTION_MS,
  )
  const served = new Set([...live.map(([name]) => name), ...names].slice(0, MAX_SERVER_NAMES))
  const isDue = (name: string): boolean => {
    const servedAt = stored[name]
    return servedAt === undefined ? served.has(name) : Math.abs(at - servedAt) >= REFRESH_INTERVAL_MS
  }
  if (live.length < Object.keys(stored).length || names.some(isDue)) {
    const current = [...served].map(
      (name) => [name, names.includes(name) ? at : (stored[name] ?? at)] as const,
    )
    await writeKeySetting(tx, 'served-names', JSON.stringify(Object.fromEntries(current)))
  }
  return [...served]
}

/** Forgets all names. Each serving process records its names again within a minute. */
export const forgetServedNames = (tx: Tx): Promise<void> => removeKeySetting(tx, 'served-names')
