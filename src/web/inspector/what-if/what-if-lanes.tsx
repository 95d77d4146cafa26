import { useElementSize } from '@mantine/hooks'
import { IconCircleCheck } from '@tabler/icons-react'
import { Fragment, type ReactNode } from 'react'
import { DAY } from '../../../../machines/time.ts'
import { BarLabel } from '../history-band.tsx'
import { toPosition } from '../history-band-model.ts'
import { useSnapshot, useStateChanges } from '../source-context.tsx'
import type { LicenseState } from '../source.ts'
import { texts } from '../texts.ts'
import { formatDay, formatInstant } from '../../../inspection/utc-time.ts'
import { listRealStates } from './real-states.ts'
import {
  createDayMarks,
  type DayRun,
  formatDays,
  groupDays,
  listMoves,
} from '../../../inspection/run-summary.ts'
import type { RunResult } from './worker-messages.ts'
import { whatIfTexts } from './what-if-texts.ts'

const t = whatIfTexts.lanes

interface LaneProps {
  readonly run: RunResult
  readonly from: number
  readonly to: number
}

/** Draws a run over time, and below it what really happened. The table of moves says the same. */
export function WhatIfLanes({ run, from, to }: LaneProps) {
  const { ref, width } = useElementSize()
  const days = groupDays(run, from, to)
  return (
    <div className="ins-what-if-lanes" aria-hidden="true">
      <Lane title={t.state} note={t.ifSo}>
        <div ref={ref}>
          <StateBar periods={run.states} from={from} to={to} width={width} size="large" />
        </div>
      </Lane>
      <Lane title={t.may}>
        <DayCells days={days} width={width} />
        <DayLegend days={days} />
      </Lane>
      <Lane title={t.notices}>
        <Notices run={run} from={from} to={to} />
      </Lane>
      <Lane title={t.real}>
        <RealStates from={from} to={to} width={width} />
      </Lane>
      <Lane title="">
        <div className="ins-what-if-axis">
          {createDayMarks(from, to, width).map(({ at, left, label }) => (
            <div key={at} style={{ left: `${left}%` }}>
              {label}
              <br />
              {formatDay(at)}
            </div>
          ))}
        </div>
      </Lane>
    </div>
  )
}

function Lane({ title, note, children }: { title: string; note?: string; children: ReactNode }) {
  return (
    <>
      <div className="ins-what-if-lane-title">
        {title}
        {note !== undefined && <span>{note}</span>}
      </div>
      <div className="ins-what-if-lane">{children}</div>
    </>
  )
}

function StateBar(props: {
  readonly periods: readonly { readonly value: LicenseState; readonly from: number; readonly to: number }[]
  readonly from: number
  readonly to: number
  readonly width: number
  readonly size: 'small' | 'large'
}) {
  const { periods, from, to, width, size } = props
  return (
    <div className="ins-what-if-bar" data-size={size}>
      {periods.map(({ value, from: begin, to: end }) => {
        const left = toPosition(begin, from, to)
        const share = toPosition(end, from, to) - left
        return (
          <div
            key={begin}
            data-license-state={value}
            style={{ left: `min(${left}%, 100% - 3px)`, width: `${share}%` }}
            title={`${texts.states[value]}: ${formatInstant(begin)} – ${formatInstant(end)}`}
          >
            <BarLabel state={value} pixels={(share * width) / 100} />
          </div>
        )
      })}
    </div>
  )
}

/** Smallest width of a day, in pixels, at which days are drawn one by one. */
const MIN_DAY_WIDTH = 4

function DayCells({ days, width }: { days: readonly DayRun[]; width: number }) {
  const count = days.at(-1)?.last ?? 1
  return (
    <div className="ins-what-if-days">
      {days.map(({ first, last, full }) => (
        <div
          key={first}
          data-full={full}
          style={{ left: `${((first - 1) / count) * 100}%`, width: `${((last - first + 1) / count) * 100}%` }}
        />
      ))}
      {width / count >= MIN_DAY_WIDTH && (
        <div className="ins-what-if-gaps" style={{ backgroundSize: `${100 / count}% 100%` }} />
      )}
    </div>
  )
}

function DayLegend({ days }: { days: readonly DayRun[] }) {
  const full = days.filter((run) => run.full)
  const limited = days.filter((run) => !run.full)
  const format = (runs: readonly DayRun[]): string => {
    const shown = runs.slice(0, 3).map(formatDays)
    return [...shown, ...(runs.length > 3 ? ['…'] : [])].join(', ')
  }
  return (
    <div className="ins-what-if-day-legend">
      {full.length > 0 && (
        <span data-full="true">
          <IconCircleCheck size={15} stroke={2} />
          {t.everything}, {format(full)}
        </span>
      )}
      {limited.length > 0 && (
        <span data-full="false">
          {t.limited}, {format(limited)}
        </span>
      )}
    </div>
  )
}

function Notices({ run, from, to }: LaneProps) {
  return (
    <div className="ins-what-if-notices">
      {listMoves(run, from).map(({ key, at, severity, text }) => (
        <i
          key={key}
          data-severity={severity}
          style={{ left: `${toPosition(at, from, to)}%` }}
          title={`${formatInstant(at)}: ${text}`}
        />
      ))}
    </div>
  )
}

function RealStates({ from, to, width }: { from: number; to: number; width: number }) {
  const history = useStateChanges().data
  const present = useSnapshot(0).data
  if (!history || !present) return null
  const now = Date.parse(present.at)
  const periods = listRealStates(history, from, Math.min(now, to))
  if (now - from < DAY / 24) return <div className="ins-what-if-future">{t.future}</div>
  const left = toPosition(now, from, to)
  return (
    <Fragment>
      <StateBar periods={periods} from={from} to={to} width={width} size="small" />
      {now < to && (
        <span
          className="ins-what-if-now"
          style={left < 80 ? { left: `${left}%` } : { right: `${100 - left}%`, top: '100%' }}
        >
          {t.nowAt(formatDay(now))}
        </span>
      )}
    </Fragment>
  )
}
