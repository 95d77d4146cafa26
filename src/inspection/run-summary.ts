import type { Notice } from '../../machines/agent-machine.types.ts'
import { DAY, HOUR } from '../../machines/time.ts'
import type { WhatIfMove, WhatIfRun } from '../../machines/what-if.ts'
import { NOTICES, type Severity } from './notice-texts.ts'
import { STATE_NAMES } from './state-names.ts'
import { formatDate, formatPlural } from './utc-time.ts'

/** Parts of a run that its summary needs. */
type SummarizedRun = Pick<WhatIfRun, 'moves' | 'states' | 'functionality'>

/** Returns the number of the day in which an instant lies. The first day is 1. */
export const toDay = (at: number, from: number): number => Math.floor((at - from) / DAY) + 1

/** Consecutive days in which the product may do the same. */
export interface DayRun {
  readonly first: number
  readonly last: number
  readonly full: boolean
}

/** Groups the days of a run. A day counts as limited if any part of it is. */
export function groupDays(run: Pick<SummarizedRun, 'functionality'>, from: number, to: number): DayRun[] {
  const days = Math.max(1, Math.ceil((to - from) / DAY))
  const limited = new Uint8Array(days + 1)
  for (const { value, from: begin, to: end } of run.functionality) {
    if (value === 'full' || end <= begin) continue
    const last = Math.min(days, Math.ceil((end - from) / DAY))
    limited.fill(1, toDay(begin, from), last + 1)
  }
  const runs: DayRun[] = []
  for (let day = 1; day <= days; day++) {
    const full = limited[day] !== 1
    const current = runs.at(-1)
    if (current?.full === full) runs[runs.length - 1] = { ...current, last: day }
    else runs.push({ first: day, last: day, full })
  }
  return runs
}

export interface Summary {
  readonly tone: 'ok' | 'limited'
  readonly title: string
  readonly detail: string
}

/** Says in one sentence what would happen to the product, and then why. */
export function summarize(run: SummarizedRun, from: number, to: number): Summary {
  const days = groupDays(run, from, to)
  const limited = days.filter(({ full }) => !full)
  const [first] = limited
  const length = formatLength(to - from)
  if (!first) {
    return {
      tone: 'ok',
      title: `For ${length} the product may do everything`,
      detail: describeStates(run, from),
    }
  }
  const last = limited.at(-1) ?? first
  const isLasting = limited.length === 1 && last.last === days.at(-1)?.last
  return {
    tone: 'limited',
    title: isLasting ? describeLasting(first) : describeParts(limited),
    detail: `${describeBefore(first)}${describeReason(run)}`,
  }
}

const describeLasting = ({ first }: DayRun): string =>
  first === 1
    ? 'Only license management works, from the first day'
    : `From day ${first} only license management works`

function describeParts(limited: readonly DayRun[]): string {
  const parts = limited.slice(0, 3).map(formatDays)
  const rest = limited.length > 3 ? ` and ${limited.length - 3} more times` : ''
  return `Only license management works on ${parts.join(', ')}${rest}`
}

/** Formats consecutive days, as in `day 5` and `days 114–120`. */
export const formatDays = ({ first, last }: DayRun): string =>
  first === last ? `day ${first}` : `days ${first}–${last}`

const describeBefore = ({ first }: DayRun): string =>
  first === 1 ? '' : `The product may do everything for ${formatPlural(first - 1, 'day')}. `

/** Names what led to the limit: the end of the registration, of the evaluation, or of the cover by a reservation. */
function describeReason({ moves }: SummarizedRun): string {
  const find = (notice: Notice) =>
    moves.find(({ notices }) => notices.some((each) => each.notice === notice))?.at
  const [expired, ended, used, uncovered] = [
    find('ID_CERT_EXPIRED'),
    find('REGISTRATION_ENDED'),
    find('EVAL_EXPIRED'),
    find('NOT_AUTHORIZED'),
  ]
  const reasons = [
    expired !== undefined && `The registration expires on ${formatDate(expired)}`,
    ended !== undefined && `the license server ends the registration on ${formatDate(ended)}`,
    used !== undefined && `the evaluation time is used up on ${formatDate(used)}`,
    uncovered !== undefined && `more is in use than is reserved from ${formatDate(uncovered)} on`,
  ].filter((reason) => reason !== false)
  if (reasons.length === 0) return 'No evaluation time is left, and no license covers the usage.'
  return `${reasons.join('; ').replace(/^./, (letter) => letter.toUpperCase())}.`
}

/** Number of state changes that the sentence names. */
const MAX_NAMED = 3

/** Names the states of a run, as in `Authorized at first; out of compliance from day 3 (Feb 27, 2027).` */
function describeStates({ states }: SummarizedRun, from: number): string {
  const [first, ...others] = states
  if (!first) return ''
  const begin = STATE_NAMES[first.value]
  if (others.length === 0) return `${begin} all the time: nothing changes the state.`
  const named = others
    .slice(0, MAX_NAMED)
    .map(
      (period) =>
        `${toLower(STATE_NAMES[period.value])} from day ${toDay(period.from, from)} (${formatDate(period.from)})`,
    )
  const rest = others.length - named.length
  return `${[`${begin} at first`, ...named].join('; ')}${rest > 0 ? `; then ${formatPlural(rest, 'more change')}` : ''}.`
}

const toLower = (text: string): string => text.replace(/^./, (letter) => letter.toLowerCase())

/** Formats the length of a run, as in `120 days` and `12 hours`. */
export function formatLength(duration: number): string {
  const days = duration / DAY
  return days >= 1 || duration === 0
    ? formatPlural(Math.round(days * 10) / 10, 'day')
    : formatPlural(Math.round(duration / HOUR), 'hour')
}

/** Row of the table: what would happen at one instant. */
export interface MoveRow {
  readonly key: string
  readonly at: number
  readonly day: number
  readonly text: string
  /** State after the move. Null when the state does not change. */
  readonly state: WhatIfMove['after'] | null
  readonly codes: readonly Notice[]
  readonly severity: Severity
}

/** Converts the moves of a run to rows. The most severe notice of a move is its text. */
export const listMoves = ({ moves }: Pick<SummarizedRun, 'moves'>, from: number): MoveRow[] =>
  moves.map(({ at, event, before, after, notices }, i) => {
    const sorted = notices.toSorted((one, other) => NOTICES[one.notice][0] - NOTICES[other.notice][0])
    const [main] = sorted
    const text = main ? NOTICES[main.notice][1] : event
    return {
      key: `${at} ${i}`,
      at,
      day: toDay(at, from),
      text: main?.detail === undefined ? text : `${text}: ${main.detail.replace(/\.$/, '')}`,
      state: before === after ? null : after,
      codes: [...new Set(sorted.map(({ notice }) => notice))],
      severity: main ? NOTICES[main.notice][0] : 6,
    }
  })

/** Distances of the marks of the axis, in days. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 90, 180, 365, 730]
/** Smallest distance between two marks, in pixels. */
const MIN_DISTANCE = 84

export interface DayMark {
  readonly at: number
  /** Position in percent. */
  readonly left: number
  readonly label: string
}

/** Computes the marks of the axis of days: as many as fit. */
export function createDayMarks(from: number, to: number, width: number): DayMark[] {
  const span = Math.max(1, to - from)
  if (span < DAY) return [{ at: from, left: 0, label: 'start' }]
  const step = (STEPS.find((days) => ((days * DAY) / span) * width >= MIN_DISTANCE) ?? 1825) * DAY
  const marks = Array.from({ length: Math.floor(span / step) + 1 }, (_, i) => ({
    at: from + i * step,
    left: ((i * step) / span) * 100,
    label: i === 0 ? 'start' : `day ${(i * step) / DAY}`,
  }))
  return marks.filter(({ left }) => ((100 - left) * width) / 100 >= MIN_DISTANCE * 0.7 || left === 0)
}
