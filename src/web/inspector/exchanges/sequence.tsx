import { IconCircleCheck, IconCircleX, IconRefresh, IconX } from '@tabler/icons-react'
import type { Exchange } from '../source.ts'
import { formatInstant } from '../../../inspection/utc-time.ts'
import { ExchangeOutlook } from './exchange-outlook.tsx'
import { exchangeTexts as t } from './exchange-texts.ts'
import { describeExchange, type Lane, listRows, type SequenceRow } from './sequence-model.ts'

/** Positions of the first and last lane, in percent of the width of the drawing. */
const FIRST_LANE = 6.2
const LAST_LANE = 89.5
/** Returns the center of a lane, in percent. */
const toLeft = (lane: number, count: number): number =>
  FIRST_LANE + (lane / Math.max(1, count - 1)) * (LAST_LANE - FIRST_LANE)

/** Draws one exchange: a lane for each party, and a row for each step. */
export function Sequence(props: { exchange: Exchange; lanes: readonly Lane[]; hasHead: boolean }) {
  const { exchange, lanes, hasHead } = props
  const rows = listRows(exchange, lanes)
  const isAccepted = exchange.outcome === 'accepted'
  const Icon = isAccepted ? IconCircleCheck : IconCircleX
  return (
    <section className="ins-sequence" data-outcome={exchange.outcome}>
      {hasHead && (
        <div className="ins-sequence-lanes" aria-hidden="true">
          {lanes.map(({ id, name, address }, i) => (
            <div key={id} style={{ left: `${toLeft(i, lanes.length)}%` }} data-count={lanes.length}>
              <b>{name}</b>
              <span>{address}</span>
            </div>
          ))}
        </div>
      )}
      <div className="ins-plate">
        <h3>
          <Icon size={20} stroke={2} aria-hidden="true" data-outcome={exchange.outcome} />
          {describeExchange(exchange)}
          {exchange.code !== null && <code>{exchange.code}</code>}
          <time dateTime={exchange.at}>{formatInstant(Date.parse(exchange.at))} UTC</time>
        </h3>
        <div className="ins-sequence-drawing" aria-hidden="true">
          <div className="ins-sequence-plane">
            {lanes.map(({ id }, i) => (
              <i key={id} style={{ left: `${toLeft(i, lanes.length)}%` }} />
            ))}
          </div>
          {rows.map((row) => (
            <Row key={row.key} row={row} count={lanes.length} />
          ))}
        </div>
        <SequenceTable rows={rows} lanes={lanes} />
        <div className="ins-sequence-foot">
          {isAccepted ? (
            <Synchronization exchange={exchange} />
          ) : (
            <>
              <IconRefresh size={18} stroke={2} aria-hidden="true" />
              <ExchangeOutlook exchange={exchange} />
            </>
          )}
        </div>
      </div>
    </section>
  )
}

function Row({ row, count }: { row: SequenceRow; count: number }) {
  const { kind, time, duration, name, found, from, to, breakAt } = row
  const left = toLeft(from, count)
  const width = toLeft(to, count) - left
  return (
    <div className="ins-sequence-row" data-kind={kind}>
      <span className="ins-sequence-time">{time}</span>
      <div className="ins-sequence-plane">
        <div className="ins-sequence-arrow" style={{ left: `${left}%`, width: `${width}%` }}>
          <Arrow kind={kind} share={((breakAt ?? to) - from) / Math.max(0.5, to - from)} />
          <span className="ins-sequence-label" title={`${name} ${found}`}>
            <b>{name}</b> {kind !== 'broken' && found}
          </span>
        </div>
        {kind === 'broken' && (
          <span
            className="ins-sequence-found"
            style={{ left: `${toLeft(breakAt ?? to, count)}%` }}
            title={found}
          >
            {found}
          </span>
        )}
        {duration !== '' && kind !== 'broken' && (
          <span className="ins-sequence-duration" style={{ left: `${left + width}%` }}>
            {duration}
          </span>
        )}
      </div>
    </div>
  )
}

/** Line of a row with its heads. A broken line came back from the cross, and the rest was never reached. */
function Arrow({ kind, share }: { kind: SequenceRow['kind']; share: number }) {
  const left = `${share * 100}%`
  if (kind === 'point') return <i className="ins-sequence-point" />
  if (kind === 'broken')
    return (
      <>
        {share > 0 && <i className="ins-sequence-line" data-part="back" style={{ width: left }} />}
        {share < 1 && <i className="ins-sequence-line" data-part="lost" style={{ left }} />}
        <span className="ins-sequence-cross" style={{ left }}>
          <IconX size={16} stroke={3} />
        </span>
      </>
    )
  return (
    <>
      <i className="ins-sequence-line" />
      {kind !== 'back' && <i className="ins-sequence-head" data-side="right" />}
      {(kind === 'back' || kind === 'both') && <i className="ins-sequence-head" data-side="left" />}
    </>
  )
}

function Synchronization({ exchange }: { exchange: Exchange }) {
  if (exchange.route.role !== 'satellite') return null
  const { synchronizedAt } = exchange
  return (
    <p>
      {t.bySatellite}{' '}
      {synchronizedAt === null
        ? t.notSynchronized
        : t.synchronized(formatInstant(Date.parse(synchronizedAt)))}
    </p>
  )
}

const getOutcome = (kind: SequenceRow['kind']): string =>
  kind === 'broken' || kind === 'not-sent' || kind === 'synchronization' ? t.outcomes[kind] : t.outcomes.done

/** Says the same as the drawing, for screen readers and on phones. */
function SequenceTable({ rows, lanes }: { rows: readonly SequenceRow[]; lanes: readonly Lane[] }) {
  return (
    <div className="ins-sequence-table">
      <table>
        <caption>{t.caption}</caption>
        <thead>
          <tr>
            {t.columns.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, time, name, found, from, to, duration, kind }) => (
            <tr key={key} data-kind={kind}>
              <td>{time}</td>
              <td>{`${name} ${found}`}</td>
              <td>{lanes[kind === 'back' ? to : from]?.name}</td>
              <td>{from === to ? '' : lanes[kind === 'back' ? from : to]?.name}</td>
              <td>{duration}</td>
              <td>{getOutcome(kind)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
