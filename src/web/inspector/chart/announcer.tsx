import { VisuallyHidden } from '@mantine/core'
import { formatExact } from '../format-time.ts'
import { useInspectorLocation } from '../inspector-location.ts'
import { machineDrawing } from '../machine-drawing.ts'
import type { Explanation } from '../source.ts'
import { texts } from '../texts.ts'
import type { Position } from '../use-position.ts'
import { type Exit, formatMoveName, parseMove } from './moves.ts'

const t = texts.chart

const describeLine = (line: string | null): string | null => {
  if (line === null) return null
  const move = parseMove(line)
  if (move) return formatMoveName(move)
  const ends = line.split('->').map((id) => machineDrawing.states[id]?.label)
  return ends[0] !== undefined && ends[1] !== undefined ? `${ends[0]} → ${ends[1]}` : null
}

/** Tells screen readers the active state, its beginning, the next date and the exits, or the selected line. */
export function Announcer(props: {
  position: Position
  exits: readonly Exit[]
  next: Explanation['next'][number] | undefined
}) {
  const { position, exits, next } = props
  const { line } = useInspectorLocation()
  const possible = exits.filter((exit) => exit.possible.length > 0)
  const sentences = [
    t.activeState(texts.states[position.state], formatExact(position.since)),
    next && t.nextDate(formatExact(next.at), next.what),
    possible.length > 0 && t.exitNames(possible.map(({ move }) => texts.states[move[1]])),
  ].filter((sentence) => typeof sentence === 'string')
  return (
    <VisuallyHidden role="status" aria-live="polite">
      {describeLine(line) ?? sentences.join(' ')}
    </VisuallyHidden>
  )
}
