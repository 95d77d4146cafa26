import type { PointerEvent } from 'react'
import { type Band, toPosition } from '../history-band-model.ts'
import { useHistory } from '../source-context.tsx'
import { texts } from '../texts.ts'
import { timeTexts } from '../time-texts.ts'
import { formatInstant } from '../../../inspection/utc-time.ts'
import type { Position } from './use-position.ts'

/** Thumb on the band. It can be dragged, and the arrow keys of the view move it. */
export function TimeSlider(props: {
  readonly band: Band
  readonly position: Position
  readonly onSelect: (at: number) => void
}) {
  const { band, position, onSelect } = props
  const { id, step, steps } = position
  const row = useHistory({ before: id + 1, limit: 1 }, id > 0).data?.history.at(-1)
  const at = row ? Date.parse(row.at) : null
  const drag = (event: PointerEvent<HTMLDivElement>) => {
    const { currentTarget, clientX, pointerId } = event
    if (!currentTarget.hasPointerCapture(pointerId)) return
    const track = currentTarget.parentElement?.getBoundingClientRect()
    if (track) onSelect(band.start + ((clientX - track.left) / track.width) * (band.end - band.start))
  }
  if (at === null || !row) return null
  return (
    <div
      className="ins-travel-thumb"
      role="slider"
      tabIndex={0}
      aria-label={timeTexts.travel.slider}
      aria-valuemin={1}
      aria-valuemax={Math.max(1, steps)}
      aria-valuenow={Math.max(1, step)}
      aria-valuetext={`${formatInstant(at)}, ${texts.states[row.after.state]}`}
      style={{ left: `${toPosition(at, band.start, band.end)}%` }}
      onPointerDown={({ currentTarget, pointerId }) => {
        currentTarget.setPointerCapture(pointerId)
      }}
      onPointerMove={drag}
      onClick={(event) => {
        event.stopPropagation()
      }}
    />
  )
}
