import { toIsoString, type Instant } from '../src/core/time.ts'

/** Something that happened in a test bed. */
export interface TimelineEntry {
  readonly at: Instant
  readonly kind: 'state' | 'notice' | 'event' | 'request' | 'fault'
  readonly text: string
}

/** Formats a timeline for people, one line for each entry. */
export const formatTimeline = (entries: readonly TimelineEntry[]): string =>
  entries.map(({ at, kind, text }) => `${toIsoString(at)}  ${kind.padEnd(7)}  ${text}`).join('\n')
