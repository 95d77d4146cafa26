import { DAY, HOUR, MINUTE, SECOND } from '../src/core/time.ts'

const UNITS = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY } as const

/** Duration: milliseconds, or a text such as `90s`, `12h` or `31d`. */
export type Duration = number | `${number}${keyof typeof UNITS}`

/** Converts a duration to milliseconds. @throws TypeError */
export function toMilliseconds(duration: Duration): number {
  const [, count, unit] =
    /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(`${duration}${typeof duration === 'number' ? 'ms' : ''}`) ?? []
  if (count === undefined)
    throw new TypeError(`${JSON.stringify(duration)} is not a duration such as 500, 90s, 12h or 31d.`)
  return Number(count) * UNITS[unit as keyof typeof UNITS]
}
