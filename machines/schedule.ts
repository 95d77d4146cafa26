import type { ActiveSchedule, SyncSchedule } from './satellite-sync-context.ts'
import { DAY, HOUR, type Instant } from './time.ts'

/** Returns midnight UTC of the instant's day. */
const toMidnight = (at: Instant): Instant => Math.floor(at / DAY) * DAY

/** Returns 1 for Monday to 7 for Sunday. 1970-01-01 was a Thursday. */
const getDayOfWeek = (at: Instant): number => ((Math.floor(at / DAY) + 3) % 7) + 1

const toInstant = (year: number, month: number, day: number): Instant => Date.UTC(year, month, day)

/**
 * Returns the first scheduled instant after `after`: at the schedule's hour, plus up to an hour of jitter.
 *
 * @param jitter fraction of an hour, in [0, 1)
 * @returns null for a schedule that is switched off
 */
export function nextScheduledAt(schedule: ActiveSchedule, after: Instant, jitter?: number): Instant
export function nextScheduledAt(schedule: SyncSchedule, after: Instant, jitter?: number): Instant | null
export function nextScheduledAt(schedule: SyncSchedule, after: Instant, jitter = 0): Instant | null {
  if (schedule.every === 'never') return null
  const timeOfDay = schedule.hour * HOUR + Math.floor(jitter * HOUR)
  const today = toMidnight(after)
  if (schedule.every === 'month') {
    const date = new Date(after)
    for (let month = date.getUTCMonth(); ; month++) {
      const at = toInstant(date.getUTCFullYear(), month, schedule.day) + timeOfDay
      if (at > after) return at
    }
  }
  for (let day = today; ; day += DAY) {
    const isScheduledDay = schedule.every === 'day' || getDayOfWeek(day) === schedule.day
    if (isScheduledDay && day + timeOfDay > after) return day + timeOfDay
  }
}

/** Returns a schedule's longest interval plus one day, in milliseconds. After a longer wait, the clock was wrong. */
export const maxInterval = (schedule: SyncSchedule): number =>
  ({ never: 0, day: 2, week: 8, month: 32 })[schedule.every] * DAY
