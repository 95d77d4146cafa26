import { useStore } from '@xyflow/react'
import { useEffect, useRef } from 'react'
import { downloadText } from '../../shared/download-text.ts'
import { texts } from '../texts.ts'
import type { Drawing } from './drawing.types.ts'
import { formatArrow } from './path.ts'
import { MIN_LABEL_ZOOM } from './viewport.ts'

const t = texts.chart
const MIN_NAME_PX = 12

/** Buttons for zoom and follow, with the zoom in percent. */
export function Controls(props: {
  isFollowing: boolean
  onZoom: (factor: number) => void
  onActualSize: () => void
  onFit: () => void
  onFollow: () => void
}) {
  const zoom = useStore(({ transform }) => transform[2])
  const frame = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const chart = frame.current?.closest<HTMLElement>('.ins-flow')
    if (!chart) return
    chart.toggleAttribute('data-far', zoom < MIN_LABEL_ZOOM)
    chart.style.setProperty('--ins-far-name', `${MIN_NAME_PX / Math.min(zoom, MIN_LABEL_ZOOM)}px`)
  }, [zoom])
  return (
    <div ref={frame} className="ins-controls">
      <button
        type="button"
        aria-label={t.zoomOut}
        title={`${t.zoomOut} (−)`}
        onClick={() => {
          props.onZoom(1 / 1.2)
        }}
      >
        −
      </button>
      <button type="button" title={`${t.actualSize} (0)`} onClick={props.onActualSize}>
        {Math.round(zoom * 100)}%
      </button>
      <button
        type="button"
        aria-label={t.zoomIn}
        title={`${t.zoomIn} (+)`}
        onClick={() => {
          props.onZoom(1.2)
        }}
      >
        +
      </button>
      <button type="button" title={`${t.fit} (F)`} onClick={props.onFit}>
        {t.fit}
      </button>
      <button
        type="button"
        title={`${t.followHint} (Shift F)`}
        aria-pressed={props.isFollowing}
        onClick={props.onFollow}
      >
        {t.follow}
      </button>
      <button
        type="button"
        title={t.saveHint}
        onClick={() => {
          const chart = frame.current?.closest<HTMLElement>('.ins-flow')
          if (chart)
            void import('./save-svg.ts').then(({ toSvgText }) => {
              downloadText('statechart.svg', toSvgText(chart), 'image/svg+xml')
            })
        }}
      >
        {t.save}
      </button>
    </div>
  )
}

function SampleLine({ emphasis, isDashed = false }: { emphasis: string; isDashed?: boolean }) {
  const points = [
    [0, 7],
    [24, 7],
  ] as const
  return (
    <svg width={24} height={14} aria-hidden="true">
      <g className="ins-line" data-emphasis={emphasis} data-dashed={isDashed || undefined}>
        <path className="ins-line-path" d="M0 7L16 7" />
        <polygon points={formatArrow(points)} />
      </g>
    </svg>
  )
}

/** Legend of the colors and lines in use. */
export function Legend({ drawing }: { drawing: Drawing }) {
  const active =
    drawing.frames.find(({ isActive, state }) => isActive && state !== null)?.state ??
    drawing.states.find(({ isActive, licenseState }) => isActive && licenseState !== null)?.licenseState
  const last = drawing.lines.find(({ emphasis }) => emphasis === 'last')
  const isOpened = drawing.choice === null
  return (
    <div className="ins-legend" data-license-state={active ?? undefined}>
      <span>
        <span className="ins-legend-now" />
        {drawing.isNow ? t.now : t.then}
      </span>
      {drawing.lines.some(({ emphasis }) => emphasis === 'possible') && (
        <span>
          <SampleLine emphasis="possible" />
          {isOpened ? t.leadsOn : t.possibleNext}
        </span>
      )}
      {last && (
        <span data-license-state={last.color ?? undefined}>
          <SampleLine emphasis="last" />
          {t.lastMove}
        </span>
      )}
      {drawing.lines.some(({ isDashed }) => isDashed) && (
        <span>
          <SampleLine emphasis="rest" isDashed />
          {t.fromAnyInside}
        </span>
      )}
    </div>
  )
}
