import { IconArrowLeft, IconArrowRight } from '@tabler/icons-react'
import type { InsideCause } from '../../../diagrams/inside-layout.types.ts'
import { type Exit, listExits, parseMove } from '../chart/moves.ts'
import { REGIONS } from '../chart/inside-parts.ts'
import { formatExact } from '../format-time.ts'
import { changeLocation } from '../inspector-location.ts'
import { machineDrawing } from '../machine-drawing.ts'
import { getName } from '../names.ts'
import { useExplanation, useStateChanges } from '../source-context.tsx'
import type { Position } from '../use-position.ts'
import { texts } from '../texts.ts'
import { Awaited, Condition, groupCauses } from './conditions.tsx'
import { readGuard } from './guard-facts.ts'
import { capitalize } from './sections.tsx'

const t = texts.panel

/** Line of the chart, found by the location's `line`. */
interface FoundLine {
  /** Ids of the states at both ends. */
  readonly from: string
  readonly to: string
  readonly causes: readonly InsideCause[]
  readonly exit: Exit | null
}

function findFolded(line: string): FoundLine | null {
  const found = machineDrawing.regionMoves.find((move) => `${move.region}:${move.line}` === line)
  if (!found) return null
  const { region, from, to, causes } = found
  return { from: `${region}.${from}`, to: `${region}.${to}`, causes, exit: null }
}

function findInside(line: string): FoundLine | null {
  const edge = Object.values(machineDrawing.insides)
    .flatMap(({ edges }) => edges)
    .find(({ id }) => id === line)
  return edge ? { from: edge.from, to: edge.to, causes: edge.causes, exit: null } : null
}

export function useLine(line: string | null): FoundLine | null {
  const { data: explanation } = useExplanation()
  if (line === null) return null
  const move = parseMove(line)
  if (!move) return findFolded(line) ?? findInside(line)
  const [from, to] = move
  const exit = listExits(machineDrawing, from, explanation ?? null).find((found) => found.move[1] === to)
  return exit ? { from: `license.${from}`, to: `license.${to}`, causes: exit.causes, exit } : null
}

/** Returns the instant at which one of the causes happens by itself. Null without one. */
function findAwaited({ causes, exit }: FoundLine, position: Position): string | null {
  if (exit?.at) return exit.at
  const instants = causes.flatMap(({ guard }) =>
    guard === null ? [] : [readGuard(guard, position.snapshot, Date.now()).dueAt],
  )
  const dates = instants.filter((at) => at !== null)
  return dates.length === 0 ? null : new Date(Math.min(...dates)).toISOString()
}

/** Explains a transition: its condition with the facts, the instant it waits for, and what follows. */
export function LinePanel({ line, position }: { line: FoundLine; position: Position }) {
  const { data: changes } = useStateChanges()
  const isActive = REGIONS.some((region) =>
    `${region}.${position.paths[region]}.`.startsWith(`${line.from}.`),
  )
  const awaited = isActive && position.isNow ? findAwaited(line, position) : null
  const taken = changes?.changes.filter(
    ({ from, to }) => line.from === `license.${from}` && line.to === `license.${to}`,
  )
  const target = machineDrawing.states[line.to]
  const description = line.causes.find((cause) => cause.description !== '')?.description
  return (
    <div className="ins-panel-body">
      <button
        type="button"
        className="ins-button"
        onClick={() => {
          changeLocation({ line: null, state: null, open: null })
        }}
      >
        <IconArrowLeft size={16} aria-hidden="true" /> {t.allStates}
      </button>
      <h2 className="ins-move-title">
        {getName(line.from)} <IconArrowRight size={18} aria-label={t.to} /> {getName(line.to)}
      </h2>
      {description !== undefined && <p className="ins-dim">{capitalize(description)}.</p>}
      {awaited !== null && <Awaited at={awaited} />}
      {groupCauses(line.causes).map(({ cause, events }, index) => (
        <Condition
          key={`${cause.event} ${cause.guard ?? ''}`}
          cause={cause}
          events={events}
          index={index}
          isFromActive={isActive}
          snapshot={position.snapshot}
        />
      ))}
      {target && (
        <section>
          <h3>{t.then}</h3>
          <p>{capitalize(target.description)}.</p>
          {line.exit?.possible.map(({ code }) => code && <code key={code}>{code}</code>)}
        </section>
      )}
      {taken && line.exit && (
        <section>
          <h3>{t.takenSoFar}</h3>
          <p>{t.taken(taken.length, taken.length > 0 ? formatExact(taken.at(-1)?.at ?? '') : null)}</p>
        </section>
      )}
    </div>
  )
}
