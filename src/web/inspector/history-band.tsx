import { VisuallyHidden } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { type MouseEvent, type ReactNode, useMemo } from 'react'
import './history-band.css'
import { type Band, createBand } from './history-band-model.ts'
import { useSnapshot, useStateChanges } from './source-context.tsx'
import { StateIcon } from './state-style.tsx'
import { texts } from './texts.ts'
import { timeTexts } from './time-texts.ts'
import { formatInstant } from '../../inspection/utc-time.ts'

const t = timeTexts.band

/** Shows the license states since the installation, and the connection below them. */
export function HistoryBand(props: {
  /** Called with the instant that was clicked. */
  readonly onSelect?: (at: number) => void
  readonly size?: 'small' | 'large'
  /** Content over the band, such as the thumb of a slider. */
  readonly children?: (band: Band) => ReactNode
}) {
  const { onSelect, size = 'small', children } = props
  const history = useStateChanges().data
  const now = useSnapshot(0).data
  const { ref, width } = useElementSize()
  const band = useMemo(
    () => (history && now ? createBand(history, Date.parse(now.at), Math.max(width, 300)) : null),
    [history, now, width],
  )
  const select = ({ currentTarget, clientX }: MouseEvent) => {
    if (!band || !onSelect) return
    const { left, width: total } = currentTarget.getBoundingClientRect()
    onSelect(band.start + ((clientX - left) / total) * (band.end - band.start))
  }
  return (
    <div className="ins-band" data-size={size} ref={ref}>
      {band && (
        <>
          <div className="ins-band-states" onClick={select} data-clickable={onSelect !== undefined}>
            <Segments band={band} />
            {children?.(band)}
          </div>
          <BandConnection band={band} />
          <BandAxis band={band} />
          <BandTable band={band} />
        </>
      )}
    </div>
  )
}

function Segments({ band: { segments, ticks } }: { band: Band }) {
  return (
    <div aria-hidden="true">
      <div className="ins-band-bar">
        {segments.map(({ state, from, to, left, width, full, named }) => (
          <div
            key={from}
            className="ins-band-segment"
            data-license-state={state}
            data-limited={!full}
            data-short={width < 1}
            style={{ left: `min(${left}%, 100% - 3px)`, width: `${width}%` }}
            title={`${texts.states[state]}: ${formatInstant(from)} – ${formatInstant(to)}`}
          >
            {named && <span>{texts.states[state]}</span>}
          </div>
        ))}
      </div>
      {ticks.map(({ id, left }) => (
        <div key={id} className="ins-band-tick" style={{ left: `${left}%` }} />
      ))}
    </div>
  )
}

function BandConnection({ band: { connection } }: { band: Band }) {
  return (
    <div className="ins-band-connection" aria-hidden="true">
      {connection.map(({ state, from, to, left, width }) => (
        <div
          key={from}
          data-connection={state}
          style={{ left: `${left}%`, width: `${width}%` }}
          title={`${t.connection[state]}: ${formatInstant(from)} – ${formatInstant(to)}`}
        />
      ))}
    </div>
  )
}

export function BandAxis({ band: { marks } }: { band: Pick<Band, 'marks'> }) {
  return (
    <div className="ins-band-axis" aria-hidden="true">
      {marks.map(({ at, left, label }) => (
        <div key={at} style={{ left: `${left}%` }}>
          {label}
        </div>
      ))}
    </div>
  )
}

/** Explains the marks of the band. */
export function BandLegend() {
  const history = useStateChanges().data
  const isLimited = history?.changes.some(({ full }) => !full) === true || history?.start.full === false
  return (
    <div className="ins-band-legend" aria-hidden="true">
      <span>
        <i data-mark="tick" />
        {t.tick}
      </span>
      <span>
        <i data-connection="up" />
        {t.connection.up}
      </span>
      <span>
        <i data-connection="down" />
        {t.connection.down}
      </span>
      {isLimited && (
        <span>
          <i data-mark="limited" />
          {t.limited}
        </span>
      )}
      <span className="ins-band-zone">{timeTexts.zone}</span>
    </div>
  )
}

function BandTable({ band: { segments, connection } }: { band: Band }) {
  return (
    <VisuallyHidden>
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
          {segments.map(({ state, from, to, full }) => (
            <tr key={from}>
              <td>{formatInstant(from)}</td>
              <td>{formatInstant(to)}</td>
              <td>{texts.states[state]}</td>
              <td>{full ? t.full : t.limited}</td>
            </tr>
          ))}
          {connection
            .filter(({ state }) => state === 'down')
            .map(({ from, to }) => (
              <tr key={`down ${from}`}>
                <td>{formatInstant(from)}</td>
                <td>{formatInstant(to)}</td>
                <td>{t.connection.down}</td>
                <td />
              </tr>
            ))}
        </tbody>
      </table>
    </VisuallyHidden>
  )
}

/** Icon and name of a state on a bar. The name is left out where it does not fit. */
export function BarLabel({ state, pixels }: { state: keyof typeof texts.states; pixels: number }) {
  const name = texts.states[state]
  return (
    <>
      {pixels >= 26 && <StateIcon state={state} size={16} />}
      {pixels >= name.length * 7.5 + 48 && <span>{name}</span>}
    </>
  )
}
