const DAY_MS = 86_400_000

const create = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat('en-US', { hourCycle: 'h23', ...options })

const formats = {
  time: create({ hour: '2-digit', minute: '2-digit' }),
  day: create({ month: 'short', day: 'numeric' }),
  date: create({ month: 'short', day: 'numeric', year: 'numeric' }),
  dayTime: create({ month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' }),
  exact: create({
    month: 'short',
    day: 'numeric',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }),
}

/** Formats an instant to the second: `Nov 22, 2026, 11:32:30`. */
export const formatExact = (at: string): string => formats.exact.format(new Date(at))

/** Formats a day and time of the present year or so: `Nov 22, 11:32`. */
export const formatDayTime = (at: string): string => formats.dayTime.format(new Date(at))

/** Formats a date: `Feb 27, 2027`. */
export const formatDate = (at: string): string => formats.date.format(new Date(at))

/** Formats an instant as shortly as it stays clear: `23:32`, `Feb 27`, or `Feb 27, 2028`. */
export function formatShort(at: string, now: number = Date.now()): string {
  const date = new Date(at)
  const distance = Math.abs(date.getTime() - now)
  if (date.toDateString() === new Date(now).toDateString()) return formats.time.format(date)
  return distance < 360 * DAY_MS ? formats.day.format(date) : formats.date.format(date)
}

/** Formats the time until an instant: `in 3 h 15 min`, `in 12 days`. Null for the past. */
export function formatTimeLeft(at: string, now: number = Date.now()): string | null {
  const minutes = Math.floor((Date.parse(at) - now) / 60_000)
  if (minutes < 0) return null
  if (minutes < 60) return `in ${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `in ${hours} h ${minutes % 60} min`
  return `in ${Math.floor(hours / 24)} days`
}
