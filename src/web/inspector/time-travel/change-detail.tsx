import { Tooltip } from '@mantine/core'
import { IconArrowRight } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useHistory } from '../source-context.tsx'
import type { StateChange, Transition } from '../source.ts'
import { StateBadge } from '../state-style.tsx'
import { timeTexts } from '../time-texts.ts'
import { formatDay, formatInstant, formatTime } from '../../../inspection/utc-time.ts'
import { formatPayload, nameChanges } from './context-fields.ts'
import { describeChange } from './describe-change.ts'
import { findCauses } from './find-causes.ts'
import { MiniMap } from './mini-map.tsx'

const t = timeTexts.travel

/** Number of rows before a transition in which its causes are looked for. */
const CAUSE_ROWS = 60
/** Largest number of such rows. */
const MAX_CAUSE_ROWS = 2000

/** Shows one transition: what it was, why, what followed, and what changed in the data. */
export function ChangeDetail({ id, changes }: { id: number; changes: readonly StateChange[] }) {
  const change = changes.find((each) => each.id === id)
  // Silence may have begun months before, but never before the change that came before.
  const limit =
    change?.event === 'clock.tick' ? Math.min(MAX_CAUSE_ROWS, change.since.events + CAUSE_ROWS) : CAUSE_ROWS
  const query = useHistory({ before: id + 1, limit })
  const rows = query.data?.history ?? []
  const row = rows.at(-1)
  if (!row) return <div className="ins-travel-detail" aria-busy={query.isPending} />
  if (row.id !== id) return <p className="ins-travel-empty">{t.gone}</p>
  return (
    <div className="ins-travel-detail">
      <DetailHead row={row} />
      <div className="ins-travel-cards">
        <section className="ins-plate">
          <Causes rows={rows} row={row} />
          <Notices row={row} />
          <h3>{t.commands}</h3>
          {row.commands.length === 0 ? (
            <p>{t.noCommands}</p>
          ) : (
            <ul className="ins-travel-commands">
              {row.commands.map((command) => (
                <li key={command}>{command}</li>
              ))}
            </ul>
          )}
        </section>
        <section className="ins-plate">
          <DataChanges row={row} />
          <h3>{t.payload}</h3>
          <pre className="ins-code" tabIndex={0}>
            {[row.event, ...formatPayload(row.payload).map((line) => `  ${line}`)].join('\n')}
          </pre>
        </section>
      </div>
    </div>
  )
}

function DetailHead({ row }: { row: Transition }) {
  const { before, after } = row
  const isChange = before.state !== after.state
  return (
    <div className="ins-travel-title">
      <div role="status">
        <h2>
          {isChange && (
            <>
              <StateBadge state={before.state} />
              <IconArrowRight size={18} stroke={2} aria-label="to" />
            </>
          )}
          <span className={isChange ? 'ins-badge-filled' : undefined} data-license-state={after.state}>
            <StateBadge state={after.state} />
          </span>
          <time dateTime={row.at}>{formatInstant(Date.parse(row.at))}</time>
        </h2>
        <p>
          {describeChange(row).map(({ text, strong }) =>
            strong ? <b key={text}>{text}</b> : <span key={text}>{text}</span>,
          )}
        </p>
      </div>
      <MiniMap from={before.state} to={after.state} />
    </div>
  )
}

function Causes({ rows, row }: { rows: readonly Transition[]; row: Transition }) {
  const causes = findCauses(rows, row)
  const isOneDay = new Set(causes.map(({ at }) => formatDay(at))).size === 1
  return (
    <>
      <h3>{t.causes}</h3>
      <Facts
        rows={causes.map(({ at, text }) => [
          isOneDay ? formatTime(at) : `${formatDay(at)}, ${formatTime(at)}`,
          text,
        ])}
      />
    </>
  )
}

function Facts({ rows }: { rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="ins-travel-causes">
      {rows.map(([name, text], i) => (
        <div key={i}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  )
}

function Notices({ row: { notices } }: { row: Transition }) {
  return (
    <>
      <h3>{t.notices}</h3>
      {notices.length === 0 ? (
        <p>{t.noNotices}</p>
      ) : (
        <ul className="ins-travel-notices">
          {notices.map(({ notice, message, severity }) => (
            <li key={notice + message} data-severity={severity}>
              {message}
              <code>{notice}</code>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function DataChanges({ row }: { row: Transition }) {
  const changes = nameChanges(row.changes, Date.parse(row.at))
  return (
    <>
      <h3 id="ins-data-changes">{t.data}</h3>
      {changes.length === 0 ? (
        <p>{t.noData}</p>
      ) : (
        <table className="ins-travel-diff" aria-labelledby="ins-data-changes">
          <thead>
            <tr>
              <th scope="col">{t.field}</th>
              <th scope="col">{t.before}</th>
              <th scope="col">{t.after}</th>
            </tr>
          </thead>
          <tbody>
            {changes.map(({ path, name, before, after }) => (
              <tr key={path}>
                <th scope="row">
                  <Tooltip label={path} position="top-start">
                    <span>{name}</span>
                  </Tooltip>
                </th>
                <td data-short={before.length < 24}>{before}</td>
                <td data-short={after.length < 24}>{after}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  )
}
