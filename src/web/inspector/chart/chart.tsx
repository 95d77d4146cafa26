import { useMemo } from 'react'
import { TALL_MAP, WIDE_MAP } from '../../../diagrams/overview.ts'
import { formatDate, formatDayTime, formatShort } from '../format-time.ts'
import { changeLocation, useInspectorLocation } from '../inspector-location.ts'
import { machineDrawing } from '../machine-drawing.ts'
import type { Explanation, LicenseState, Status } from '../source.ts'
import { useExplanation, useStateChanges, useStatus } from '../source-context.tsx'
import { toLicenseState } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { type Position, usePosition } from '../use-position.ts'
import { Announcer } from './announcer.tsx'
import { Canvas } from './canvas.tsx'
import type { Drawing } from './drawing.types.ts'
import { drawOpenedView } from './inside-drawing.ts'
import { type Exit, findLastMove, formatMove, listExits, parseMove } from './moves.ts'
import { drawOverview } from './overview-drawing.ts'
import type { ChartKeyActions } from './use-chart-keys.ts'

const t = texts.chart
const SECONDS_PER_DAY = 86_400

/** Returns the lines below the name of the active state. */
export function describeActive(position: Position, status: Status | undefined): string[] {
  const lines = [t.since(formatDayTime(position.since))]
  if (!position.isNow || !status) return lines
  const { authorization, evaluation } = status
  if (authorization.nextAttemptAt !== null)
    lines.push(t.nextContact(formatShort(authorization.nextAttemptAt)))
  else if (evaluation.running)
    lines.push(t.daysLeft(Math.ceil(evaluation.remainingSeconds / SECONDS_PER_DAY)))
  return lines
}

/** Returns the id if the state can be opened. Null for an inner state, and for regions without inner states. */
function findOpenable(id: string): string | null {
  const [region = '', state = '', ...inner] = id.split('.')
  const isOpenable = region === 'license' || region === 'registration'
  return isOpenable && inner.length === 0 && state !== '' ? id : null
}

const getTopState = (id: string | null): LicenseState | null =>
  id?.startsWith('license.') ? toLicenseState(id.split('.')[1] ?? '') : null

function useDrawing(position: Position, isTall: boolean, exits: readonly Exit[]): Drawing {
  const { state: selected, line, open, at } = useInspectorLocation()
  const { data: status } = useStatus()
  const { data: changes } = useStateChanges()
  const { data: explanation } = useExplanation()
  return useMemo(() => {
    if (open !== null) {
      const state = getTopState(open) ?? position.state
      return drawOpenedView({
        isNow: position.isNow,
        open,
        machine: machineDrawing,
        paths: position.paths,
        exits: listExits(machineDrawing, state, position.isNow ? (explanation ?? null) : null),
        selectedLine: line,
        selectedState: selected,
        since: t.since(formatShort(position.since)),
        formatDate: formatShort,
      })
    }
    const lastMove = findLastMove(changes, at)
    return drawOverview(isTall ? TALL_MAP : WIDE_MAP, {
      isNow: position.isNow,
      active: position.state,
      details: describeActive(position, status),
      exits,
      lastMove: lastMove?.[1] === position.state ? lastMove : null,
      selectedMove: parseMove(line),
      selectedState: getTopState(selected),
      formatDate,
    })
  }, [open, line, selected, at, position, status, changes, explanation, exits, isTall])
}

const KEY_ACTIONS: Omit<ChartKeyActions, 'listExits'> = {
  open: (id) => {
    const open = findOpenable(id)
    if (open !== null) changeLocation({ open, line: null, state: null })
  },
  close: () => {
    changeLocation({ open: null, line: null, state: null })
  },
  selectExit: ({ line }) => {
    changeLocation({ line, state: null }, { replace: true })
  },
  select: (id) => {
    changeLocation({ state: id, line: null })
  },
}

/** Lists the ways out of a state for the keyboard: lines of the inside, or moves of a license state. */
function listKeyExits(id: string, drawing: Drawing, explanation: Explanation | undefined) {
  const region = machineDrawing.regionMoves
    .filter((move) => `${move.region}.${move.from}` === id)
    .map((move) => ({ line: `${move.region}:${move.line}`, target: `${move.region}.${move.to}` }))
  const inside = Object.values(machineDrawing.insides)
    .flatMap(({ edges }) => edges)
    .filter(({ from }) => from === id)
    .map(({ id: line, to }) => ({ line, target: to }))
  if (inside.length + region.length > 0 && drawing.choice === null) return [...inside, ...region]
  const state = getTopState(id)
  return state === null
    ? []
    : listExits(machineDrawing, state, explanation ?? null).map(({ move }) => ({
        line: formatMove(move),
        target: `license.${move[1]}`,
      }))
}

/** Chart of the machine: seven states, or one state or region from inside. */
export function Chart({ isTall = false }: { isTall?: boolean }) {
  const position = usePosition()
  return position === null ? null : <ReadyChart position={position} isTall={isTall} />
}

function ReadyChart({ position, isTall }: { position: Position; isTall: boolean }) {
  const { data: explanation } = useExplanation()
  const exits = useMemo(
    () => listExits(machineDrawing, position.state, position.isNow ? (explanation ?? null) : null),
    [position.state, position.isNow, explanation],
  )
  const drawing = useDrawing(position, isTall, exits)
  return (
    <div className="ins-chart" data-view={drawing.choice === null ? 'open' : 'overview'}>
      <Canvas
        drawing={drawing}
        name={t.name}
        actions={{
          ...KEY_ACTIONS,
          listExits: (id) => listKeyExits(id, drawing, explanation),
        }}
        onSelect={KEY_ACTIONS.select}
        onOpen={KEY_ACTIONS.open}
      />
      <Announcer position={position} exits={exits} next={explanation?.next[0]} />
    </div>
  )
}
