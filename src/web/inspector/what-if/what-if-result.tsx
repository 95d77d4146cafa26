import { Button } from '@mantine/core'
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react'
import { useState } from 'react'
import { DAY } from '../../../../machines/time.ts'
import type { WhatIfOptions } from '../../../../machines/what-if.ts'
import { StateBadge } from '../state-style.tsx'
import {
  formatCount,
  formatDate,
  formatInstant,
  formatMilliseconds,
  formatPlural,
} from '../../../inspection/utc-time.ts'
import { listMoves, summarize } from '../../../inspection/run-summary.ts'
import type { RunResult } from './worker-messages.ts'
import { WhatIfLanes } from './what-if-lanes.tsx'
import { whatIfTexts as t } from './what-if-texts.ts'

/** Number of rows that the table shows at first. */
const FIRST_ROWS = 50

/** Shows the result of a run: one sentence, lanes over time, and the table of what would happen. */
export function WhatIfResult({ run, options }: { run: RunResult; options: WhatIfOptions }) {
  const { from, days } = options
  const to = from + days * DAY
  const summary = summarize(run, from, to)
  const Icon = summary.tone === 'ok' ? IconCircleCheck : IconAlertTriangle
  return (
    <>
      <div className="ins-what-if-summary">
        <section className="ins-plate" role="status">
          <h2 data-tone={summary.tone}>
            <Icon size={20} stroke={2} aria-hidden="true" />
            {summary.title}
          </h2>
          <p>{summary.detail}</p>
        </section>
        <Computed run={run} />
      </div>
      {run.ignored.map((type) => (
        <p key={type} className="ins-what-if-ignored" role="alert">
          {t.ignored(type === 'clock.tick' ? type : t.events[type])}
        </p>
      ))}
      <WhatIfLanes run={run} from={from} to={to} />
      <MoveTable run={run} from={from} />
    </>
  )
}

function Computed({ run }: { run: RunResult }) {
  const { steps, attempts, milliseconds, states, moves } = run
  const notices = moves.reduce((sum, move) => sum + move.notices.length, 0)
  return (
    <section className="ins-plate ins-what-if-computed">
      <h3>{t.computed}</h3>
      <p>
        <b>{t.steps(formatCount(steps))}</b>
        {t.stepsIn(formatMilliseconds(milliseconds))}
      </p>
      <p>
        {formatPlural(states.length - 1, ...t.changes)}, {formatPlural(notices, ...t.notices)}
        {attempts.unanswered > 0 && `; ${formatPlural(attempts.unanswered, ...t.unanswered)}`}
        {attempts.answered > 0 && `; ${t.answered(formatCount(attempts.answered))}`}
      </p>
    </section>
  )
}

function MoveTable({ run, from }: { run: RunResult; from: number }) {
  const [isWhole, setWhole] = useState(false)
  const rows = listMoves(run, from)
  const shown = isWhole ? rows : rows.slice(0, FIRST_ROWS)
  if (rows.length === 0) return <p className="ins-what-if-none">{t.table.none}</p>
  return (
    <>
      <table className="ins-what-if-table" aria-label={t.table.caption}>
        <thead>
          <tr>
            {t.table.columns.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ key, at, day, text, state, codes }) => (
            <tr key={key}>
              <th scope="row">{formatCount(day)}</th>
              <td>
                <time dateTime={new Date(at).toISOString()} title={`${formatInstant(at)} UTC`}>
                  {formatDate(at)}
                </time>
              </td>
              <td>{text}</td>
              <td>{state ? <StateBadge state={state} /> : <span>{t.table.noChange}</span>}</td>
              <td>
                {codes.map((code) => (
                  <code key={code}>{code}</code>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <Button
          variant="default"
          h={32}
          onClick={() => {
            setWhole(true)
          }}
        >
          {t.table.more(formatCount(rows.length - shown.length))}
        </Button>
      )}
    </>
  )
}
