import { ViewportPortal } from '@xyflow/react'
import { memo, useEffect, useRef, useState } from 'react'
import { StateBadge, StateIcon, ToneBadge } from '../state-style.tsx'
import { changeLocation } from '../inspector-location.ts'
import { type Drawing, type DrawnFrame, type DrawnLine, EMPHASES } from './drawing.types.ts'
import { formatArrow, formatPath } from './path.ts'

const MOVE_MS = 400
const ARROW_SCALES = { rest: 1, possible: 1.05, last: 1.25, selected: 1.15 } as const

const selectLine = (line: string) => {
  changeLocation({ line, state: null })
}

function Line(props: { line: DrawnLine; isHovered: boolean; onHover: (select: string | null) => void }) {
  const { line, isHovered, onHover } = props
  const path = formatPath(line.points, line.hasArrow)
  return (
    <g
      className="ins-line"
      data-emphasis={line.emphasis}
      data-line={line.key}
      data-dashed={line.isDashed || undefined}
      data-hovered={isHovered || undefined}
      data-license-state={line.emphasis === 'last' ? line.color : undefined}
      onMouseEnter={() => {
        onHover(line.select)
      }}
      onMouseLeave={() => {
        onHover(null)
      }}
      onClick={() => {
        selectLine(line.select)
      }}
    >
      <path className="ins-line-target" d={path} />
      <path className="ins-line-path" d={path} />
      {line.hasArrow && <polygon points={formatArrow(line.points, ARROW_SCALES[line.emphasis])} />}
    </g>
  )
}

interface LayerProps {
  readonly drawing: Drawing
  readonly hovered: string | null
  readonly onHover: (select: string | null) => void
}

/** Lines of the chart. Screen readers take the exits from the panel instead. */
function Lines(props: LayerProps) {
  const { drawing, hovered, onHover } = props
  const { width, height, lines, choice, dividers } = drawing
  const ordered = EMPHASES.flatMap((emphasis) => lines.filter((line) => line.emphasis === emphasis))
  return (
    <svg className="ins-lines" width={width} height={height} aria-hidden="true">
      {dividers.map((x) => (
        <line key={x} className="ins-divider" x1={x} x2={x} y1={-6} y2={height} />
      ))}
      {ordered.map((line) => (
        <Line key={line.key} line={line} isHovered={line.select === hovered} onHover={onHover} />
      ))}
      {choice && (
        <g className="ins-choice">
          <rect
            x={choice[0] - 7.5}
            y={choice[1] - 7.5}
            width={15}
            height={15}
            rx={2}
            transform={`rotate(45 ${choice[0]} ${choice[1]})`}
          />
          <text x={choice[0]} y={choice[1] + 4.5} textAnchor="middle">
            ?
          </text>
        </g>
      )}
    </svg>
  )
}

function Frame({ frame }: { frame: DrawnFrame }) {
  const { kind, state, tone, title, note, isActive, x, y, width, height } = frame
  return (
    <div
      className="ins-frame"
      data-kind={kind}
      data-active={isActive || undefined}
      data-tone={tone ?? undefined}
      data-license-state={state ?? undefined}
      style={{ left: x, top: y, width, height }}
    >
      {title !== null && (
        <div className="ins-frame-title">
          {state !== null && <StateIcon state={state} />}
          <span>{title}</span>
          {note !== null && <span className="ins-frame-note">{note}</span>}
        </div>
      )}
    </div>
  )
}

/** Dot that runs along the last move when the active state changes. */
function MoveDot({ drawing }: { drawing: Drawing }) {
  const active = drawing.states.find(({ isActive }) => isActive)?.id
  const previous = useRef(active)
  const [path, setPath] = useState<string | null>(null)
  const latest = useRef(drawing)
  latest.current = drawing
  useEffect(() => {
    if (previous.current === active) return
    previous.current = active
    const last = latest.current.lines.filter(({ emphasis }) => emphasis === 'last')
    if (last.length === 0) return
    setPath(
      formatPath(
        last.flatMap(({ points }) => points),
        false,
      ),
    )
    const timer = setTimeout(() => {
      setPath(null)
    }, MOVE_MS)
    return () => {
      clearTimeout(timer)
    }
  }, [active])
  return path === null ? null : <div className="ins-move-dot" style={{ offsetPath: `path("${path}")` }} />
}

/** Layers below and above the states: frames, lines, then labels as HTML, so that their contrast can be checked. */
export const Layers = memo(function Layers(props: LayerProps) {
  const { drawing, hovered, onHover } = props
  return (
    <ViewportPortal>
      <div className="ins-layer" data-layer="frames">
        {drawing.frames.map((frame) => (
          <Frame key={frame.key} frame={frame} />
        ))}
      </div>
      <Lines drawing={drawing} hovered={hovered} onHover={onHover} />
      <div className="ins-layer" data-layer="labels">
        <MoveDot drawing={drawing} />
        {drawing.texts.map(({ key, text, at, kind, opens }) =>
          opens === undefined ? (
            <div key={key} className="ins-text" data-kind={kind} style={{ left: at[0], top: at[1] }}>
              {text}
            </div>
          ) : (
            <button
              key={key}
              type="button"
              tabIndex={-1}
              className="ins-text nopan"
              data-kind={kind}
              style={{ left: at[0], top: at[1] }}
              onClick={() => {
                changeLocation({ open: opens, line: null, state: null })
              }}
            >
              {text}
            </button>
          ),
        )}
        {drawing.labels.map(({ key, select, at, text, emphasis, ground }) => (
          <div
            key={key}
            className="ins-label"
            data-emphasis={emphasis}
            data-ground={ground}
            data-label={key}
            data-hovered={hovered === select || undefined}
            style={{ left: at[0], top: at[1] }}
            onMouseEnter={() => {
              onHover(select)
            }}
            onMouseLeave={() => {
              onHover(null)
            }}
            onClick={() => {
              selectLine(select)
            }}
          >
            {text.map((row) => (
              <span key={row}>{row}</span>
            ))}
          </div>
        ))}
        {drawing.exits.map(({ state, tone, name, label, select, emphasis, at }) => (
          <button
            key={select}
            type="button"
            tabIndex={-1}
            className="ins-exit nopan"
            data-emphasis={emphasis}
            style={{ left: at[0], top: at[1] }}
            onClick={() => {
              selectLine(select)
            }}
          >
            {state === null ? <ToneBadge tone={tone ?? 'mute'} name={name} /> : <StateBadge state={state} />}
            <span>{label}</span>
          </button>
        ))}
      </div>
    </ViewportPortal>
  )
})
