import { Text, Tooltip } from '@mantine/core'
import { texts } from './texts.ts'

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const steps: readonly [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [90, 'day'],
  [Infinity, 'month'],
]

/** Formats an instant in the user's time zone, as in `Mar 3, 2027, 10:00`. */
export const formatDateTime = (at: string): string => exact.format(new Date(at))

/** Formats the distance to an instant, as in `in 29 days`. */
export function formatRelativeTime(at: string): string {
  let left = (Date.parse(at) - Date.now()) / 1000
  for (const [size, unit] of steps) {
    if (Math.abs(left) < size) return relative.format(Math.round(left), unit)
    left /= unit === 'day' ? 30.4 : size
  }
  return formatDateTime(at)
}

/** Shows the distance to an instant with the exact time as a tooltip, or only the exact time. */
export function RelativeTime({ at, exactly: absolute = false }: { at: string | null; exactly?: boolean }) {
  if (at === null) return <>{texts.never}</>
  if (absolute)
    return (
      <time dateTime={at} style={{ whiteSpace: 'nowrap' }}>
        {formatDateTime(at)}
      </time>
    )
  return (
    <Tooltip label={formatDateTime(at)}>
      <Text span inherit>
        <time dateTime={at}>{formatRelativeTime(at)}</time>
      </Text>
    </Tooltip>
  )
}
