import type { Schedule, SyncSchedule } from './satellite-sync-context.ts'
import { DAY, HOUR, type Instant } from './time.ts'

/** Midnight, UTC, of the day of an instant. */
const toMidnight = (at: Instant): Instant => Math.floor(at / DAY) * DAY

/** 1 is Monday: the first day of 1970 was a Thursday. */
const getDayOfWeek = (at: Instant): number => ((Math.floor(at / DAY) + 3) % 7) + 1

/** The day of a month, as midnight UTC. */
const toMonthDay = (year: number, month: number, day: number): Instant => Date.UTC(year, month, day)

/**
 * Returns the first instant of a schedule after another instant: at its hour, and up to an hour later by the jitter.
 *
 * @param jitter from 0 up to 1
 * @returns null for a schedule that is switched off
 */
export function nextScheduledAt(schedule: Schedule, after: Instant, jitter?: number): Instant
export function nextScheduledAt(schedule: SyncSchedule, after: Instant, jitter?: number): Instant | null
export function nextScheduledAt(schedule: SyncSchedule, after: Instant, jitter = 0): Instant | null {
  if (schedule.every === 'never') return null
  const within = schedule.hour * HOUR + Math.floor(jitter * HOUR)
  const today = toMidnight(after)
  if (schedule.every === 'month') {
    const date = new Date(after)
    for (let month = date.getUTCMonth(); ; month++) {
      const at = toMonthDay(date.getUTCFullYear(), month, schedule.day) + within
      if (at > after) return at
    }
  }
  for (let day = today; ; day += DAY) {
    const fits = schedule.every === 'day' || getDayOfWeek(day) === schedule.day
    if (fits && day + within > after) return day + within
  }
}

/** The longest that a schedule ever waits, with a day to spare: a wait that looks longer was begun by a wrong clock. */
export const maxInterval = (schedule: SyncSchedule): number =>
  ({ never: 0, day: 2, week: 8, month: 32 })[schedule.every] * DAY
