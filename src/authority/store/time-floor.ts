import type { Instant } from '../../core/time.ts'
import { readSetting, type Tx, writeSetting } from './store.ts'

const ISSUED_TIME_KEY = 'issued-time'
const CORRECTIONS_KEY = 'time-corrections'

/**
 * The authority's time never decreases: each signed answer and file raises the floor to its own time, and no process of
 * this authority issues an earlier one. Only a satellite's manager can lower it, to correct the satellite's clock.
 */
export const TimeFloor = {
  /** Returns the time of the latest signed text, 0 before any. */
  async read(tx: Tx): Promise<Instant> {
    return Number((await readSetting(tx, ISSUED_TIME_KEY)) ?? 0)
  },

  /** Returns the time of a clock, or the floor if that is later. */
  async atLeast(tx: Tx, now: Instant): Promise<Instant> {
    return Math.max(now, await TimeFloor.read(tx))
  },

  /** Raises the floor to the time of a text that is signed in this transaction. @param at a time from `atLeast` */
  raise(tx: Tx, at: Instant): Promise<void> {
    return writeSetting(tx, ISSUED_TIME_KEY, String(at))
  },

  /** Lowers the floor. Other processes notice it by the number of corrections. */
  async lower(tx: Tx, at: Instant): Promise<void> {
    await writeSetting(tx, ISSUED_TIME_KEY, String(at))
    await writeSetting(tx, CORRECTIONS_KEY, String((await TimeFloor.corrections(tx)) + 1))
  },

  /** Returns how often the floor was lowered. */
  async corrections(tx: Tx): Promise<number> {
    return Number((await readSetting(tx, CORRECTIONS_KEY)) ?? 0)
  },
}
