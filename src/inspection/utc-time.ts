/** Formats instants in UTC, so that a picture of the page reads the same everywhere. */

const toFormat = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', hourCycle: 'h23', ...options })

const date = toFormat({ dateStyle: 'medium' })
const dayOfYear = toFormat({ month: 'short', day: 'numeric' })
const time = toFormat({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
const shortTime = toFormat({ hour: '2-digit', minute: '2-digit' })

/** Formats an instant, as in `Nov 22, 2026, 11:32:30`. */
export const formatInstant = (at: number): string => `${date.format(at)}, ${time.format(at)}`
/** Formats the minute of an instant, as in `Nov 22, 2026, 11:32`. */
export const formatMinute = (at: number): string => `${date.format(at)}, ${shortTime.format(at)}`
/** Formats the day of an instant, as in `Nov 22, 2026`. */
export const formatDate = (at: number): string => date.format(at)
/** Formats the day without its year, as in `Nov 22`. */
export const formatDay = (at: number): string => dayOfYear.format(at)
/** Formats the time of day, as in `11:32:30`. */
export const formatTime = (at: number): string => time.format(at)

/** Formats a count with thousands separators, as in `1,138`. */
export const formatCount = (count: number): string => count.toLocaleString('en-US')

/** Formats a count with its noun, as in `1 event` and `1,138 events`. */
export const formatPlural = (count: number, noun: string, plural = `${noun}s`): string =>
  `${formatCount(count)} ${count === 1 ? noun : plural}`

/** Formats milliseconds with one decimal below ten, as in `1.0 ms`, `13 ms` and `1.20 s`. */
export function formatMilliseconds(duration: number): string {
  if (duration >= 1000) return `${(duration / 1000).toFixed(2)} s`
  return `${duration < 9.95 ? duration.toFixed(1) : String(Math.round(duration))} ms`
}
