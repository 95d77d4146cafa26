import { type Instant, SECOND } from '../../machines/time.ts'

export { DAY, HOUR, type Instant, MINUTE, SECOND } from '../../machines/time.ts'

/** Converts an instant to ISO 8601 UTC, the format of all JSON documents of this project. */
export function toIsoString(instant: Instant): string
export function toIsoString(instant: Instant | null): string | null
export function toIsoString(instant: Instant | null): string | null {
  return instant === null ? null : new Date(instant).toISOString()
}

/** Formats a duration in its two largest units: `71 days, 22 hours`. */
export function formatDuration(milliseconds: number): string {
  const total = Math.max(0, Math.floor(Math.abs(milliseconds) / SECOND))
  const parts: [number, string][] = [
    [Math.floor(total / 86_400), 'day'],
    [Math.floor((total % 86_400) / 3_600), 'hour'],
    [Math.floor((total % 3_600) / 60), 'minute'],
    [total % 60, 'second'],
  ]
  const first = parts.findIndex(([n]) => n > 0)
  if (first === -1) return '0 seconds'
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}${n === 1 ? '' : 's'}`)
    .join(', ')
}
