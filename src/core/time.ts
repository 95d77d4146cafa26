import { type Instant, SECOND } from '../../machines/time.ts'

export { DAY, HOUR, type Instant, MINUTE, SECOND } from '../../machines/time.ts'

/** The instant as ISO 8601 UTC, or null: the form every JSON document of this project uses. */
export function toIsoString(instant: Instant): string
export function toIsoString(instant: Instant | null): string | null
export function toIsoString(instant: Instant | null): string | null {
  return instant === null ? null : new Date(instant).toISOString()
}

/** A duration in words, largest two units: `71 days, 22 hours`. For people; JSON carries seconds. */
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
