import { DAY, HOUR } from '../../../machines/time.ts'
import type { LicenseState, StateChanges } from './source.ts'
import { texts } from './texts.ts'

/** Part of a time axis, in percent of its width. */
export interface Span {
  readonly left: number
  readonly width: number
}
export interface BandSegment extends Span {
  readonly state: LicenseState
  readonly from: number
  readonly to: number
  /** True when all features may be used. */
  readonly full: boolean
  /** True when the name of the state fits into the segment. */
  readonly named: boolean
}
export interface ConnectionSegment extends Span {
  readonly state: 'unknown' | 'up' | 'down'
  readonly from: number
  readonly to: number
}
export interface AxisMark {
  readonly at: number
  readonly left: number
  readonly label: string
}
/** Band of license states from the installation until `end`. */
export interface Band {
  readonly start: number
  readonly end: number
  readonly segments: readonly BandSegment[]
  readonly connection: readonly ConnectionSegment[]
  /** Changes of the license state. */
  readonly ticks: readonly { readonly id: number; readonly at: number; readonly left: number }[]
  readonly marks: readonly AxisMark[]
}

/** Smallest share of the band, in percent, at which a segment bears its name. */
const MIN_NAMED_SHARE = 9
/** Width of a letter at 12.5 pixels, and the padding of a name, in pixels. */
const LETTER_WIDTH = 7
const NAME_PADDING = 18
/** Smallest distance between two marks, in pixels. */
const MIN_MARK_DISTANCE = 64

/** Returns the position of an instant on an axis, in percent. */
export const toPosition = (at: number, start: number, end: number): number =>
  Math.min(100, Math.max(0, ((at - start) / Math.max(1, end - start)) * 100))

const toSpan = (from: number, to: number, start: number, end: number): Span => {
  const left = toPosition(from, start, end)
  return { left, width: toPosition(to, start, end) - left }
}

/**
 * Computes the band of a device.
 *
 * @param end instant at which the band ends, in milliseconds
 * @param width width of the band in pixels, which decides where names and marks fit
 */
export function createBand(history: StateChanges, end: number, width: number): Band {
  const start = Date.parse(history.start.at)
  const entries = [
    { at: start, state: history.start.state, full: history.start.full },
    ...history.changes.map(({ at, to, full }) => ({ at: Date.parse(at), state: to, full })),
  ]
  const segments = entries.map(({ at, state, full }, i): BandSegment => {
    const to = entries[i + 1]?.at ?? Math.max(at, end)
    const span = toSpan(at, to, start, end)
    const pixels = (span.width * width) / 100
    const needed = texts.states[state].length * LETTER_WIDTH + NAME_PADDING
    const isSecondPart = entries[i - 1]?.state === state
    return {
      ...span,
      state,
      from: at,
      to,
      full,
      named: span.width > MIN_NAMED_SHARE && pixels >= needed && !isSecondPart,
    }
  })
  const ticks = history.changes
    .filter(({ from, to }) => from !== to)
    .map(({ id, at }) => ({ id, at: Date.parse(at), left: toPosition(Date.parse(at), start, end) }))
  return {
    start,
    end,
    segments,
    ticks,
    connection: createConnection(history, start, end),
    marks: createMarks(start, end, width),
  }
}

function createConnection(history: StateChanges, start: number, end: number): ConnectionSegment[] {
  const entries = [
    { at: start, state: 'unknown' as const },
    ...history.connection.map(({ at, state }) => ({ at: Date.parse(at), state })),
  ]
  return entries
    .map(({ at, state }, i) => {
      const to = entries[i + 1]?.at ?? Math.max(at, end)
      return { ...toSpan(at, to, start, end), state, from: at, to }
    })
    .filter(({ from, to }) => to > from)
}

const HOURS = [1, 3, 6, 12]
const DAYS = [1, 2, 7, 14]
const MONTHS = [1, 2, 3, 6, 12, 24, 60]

/** Computes the marks of a time axis: as many hours, days or months as fit. */
export function createMarks(start: number, end: number, width: number): AxisMark[] {
  const span = Math.max(1, end - start)
  const fits = (step: number) => (step / span) * width >= MIN_MARK_DISTANCE
  const hours = HOURS.find((count) => fits(count * HOUR))
  const days = DAYS.find((count) => fits(count * DAY))
  const months = MONTHS.find((count) => fits(count * 28 * DAY)) ?? 120
  const at =
    hours !== undefined
      ? listSteps(start, end, hours * HOUR)
      : days !== undefined
        ? listSteps(start, end, days * DAY)
        : listMonths(start, end, months)
  const format = hours !== undefined ? formatHour : days !== undefined ? formatDayMark : formatMonth
  return (
    at
      .map((instant) => ({ at: instant, left: toPosition(instant, start, end), label: format(instant) }))
      // The label of a mark stands to its right and would be cut off at the end.
      .filter(({ left }) => ((100 - left) * width) / 100 >= MIN_MARK_DISTANCE * 0.6)
  )
}

function listSteps(start: number, end: number, step: number): number[] {
  const first = Math.ceil(start / step) * step
  return Array.from({ length: Math.max(0, Math.floor((end - first) / step) + 1) }, (_, i) => first + i * step)
}

function listMonths(start: number, end: number, step: number): number[] {
  const months: number[] = []
  const from = new Date(start)
  for (let month = from.getUTCMonth() + 1; ; month++) {
    const at = Date.UTC(from.getUTCFullYear(), month, 1)
    if (at > end) return months
    if (month % step === 0) months.push(at)
  }
}

const monthName = new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', month: 'short' })
const dayName = new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', month: 'short', day: 'numeric' })

/** Formats a month. January bears its year. */
function formatMonth(at: number): string {
  const date = new Date(at)
  return date.getUTCMonth() === 0 ? `Jan ${date.getUTCFullYear()}` : monthName.format(at)
}
const formatDayMark = (at: number): string => dayName.format(at)
const formatHour = (at: number): string =>
  at % DAY === 0 ? dayName.format(at) : new Date(at).toISOString().slice(11, 16)
