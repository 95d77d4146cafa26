import {
  findLines,
  type LineId,
  LINE_IDS,
  type Move,
  OVERVIEW_LINES,
  type OverviewMap,
  type Point,
} from '../../../diagrams/overview.ts'
import { LICENSE_STATES } from '../state-style.tsx'
import type { LicenseState } from '../source.ts'
import { texts } from '../texts.ts'
import type { Drawing, DrawnLabel, DrawnLine, DrawnState, Emphasis } from './drawing.types.ts'
import type { Exit } from './moves.ts'
import { formatMove } from './moves.ts'

export interface OverviewOptions {
  readonly isNow: boolean
  readonly active: LicenseState
  /** Lines of the active state's box, such as its beginning and the next contact. */
  readonly details: readonly string[]
  readonly exits: readonly Exit[]
  readonly lastMove: Move | null
  readonly selectedMove: Move | null
  readonly selectedState: LicenseState | null
  /** Formats the date of a label. */
  readonly formatDate: (at: string) => string
}

/** Returns the emphasis of each line, and the state whose color it has. */
function findEmphases(options: OverviewOptions): Map<LineId, Emphasis> {
  const { exits, lastMove, selectedMove } = options
  const emphases = new Map<LineId, Emphasis>()
  const mark = (move: Move | null, emphasis: Emphasis) => {
    if (move) for (const id of findLines(...move)) emphases.set(id, emphasis)
  }
  mark(lastMove, 'last')
  for (const { move, possible } of exits) if (possible.length > 0) mark(move, 'possible')
  mark(selectedMove, 'selected')
  return emphases
}

/** Returns the move that a click on a line selects: the one from the active state, if the line has one. */
function chooseMove(id: LineId, active: LicenseState): string {
  const moves: readonly Move[] = OVERVIEW_LINES[id]
  const move = moves.find(([from]) => from === active) ?? moves[0]
  return move ? formatMove(move) : ''
}

const isWithin = ([x, y]: Point, box: { x: number; y: number; width: number; height: number }): boolean =>
  x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height

const STRENGTH: Record<Emphasis, number> = { rest: 0, last: 1, possible: 2, selected: 3 }
const getStrongest = (emphases: readonly Emphasis[]): Emphasis =>
  emphases.toSorted((a, b) => STRENGTH[b] - STRENGTH[a])[0] ?? 'rest'

function drawLabels(
  map: OverviewMap,
  options: OverviewOptions,
  emphases: Map<LineId, Emphasis>,
): DrawnLabel[] {
  const { active, exits, formatDate } = options
  return map.labels.map(({ lines, at, text, isDated }) => {
    const emphasis = getStrongest(lines.map((id) => emphases.get(id) ?? 'rest'))
    const dated = exits.find(
      ({ move, at: date }) => date !== null && isDated && findLines(...move).some((id) => lines.includes(id)),
    )
    const words = dated?.at ? [...texts.chart.noContactUntil(formatDate(dated.at), text.length)] : text
    return {
      key: lines.join(),
      select: chooseMove(
        lines.find((id) => OVERVIEW_LINES[id].some(([from]) => from === active)) ?? lines[0] ?? 'registers',
        active,
      ),
      at,
      text: words,
      emphasis,
      ground: map.frames.some((frame) => isWithin(at, frame)) ? 'frame' : 'canvas',
    }
  })
}

function drawState(map: OverviewMap, state: LicenseState, options: OverviewOptions): DrawnState {
  const { active, details, exits, selectedState } = options
  const isActive = state === active
  const mayComeNext = exits.some(({ move, possible }) => move[1] === state && possible.length > 0)
  return {
    ...map.states[state],
    id: `license.${state}`,
    name: texts.states[state],
    licenseState: state,
    kind: 'top',
    tone: null,
    isActive,
    mayComeNext,
    isSelected: selectedState === state,
    details: isActive ? details : [],
    spoken: isActive ? texts.chart.active : mayComeNext ? texts.chart.mayComeNext : null,
  }
}

/** Draws the seven license states. */
export function drawOverview(map: OverviewMap, options: OverviewOptions): Drawing {
  const emphases = findEmphases(options)
  const lines = LINE_IDS.map((id): DrawnLine => ({
    key: id,
    select: chooseMove(id, options.active),
    points: map.lines[id],
    emphasis: emphases.get(id) ?? 'rest',
    color: options.lastMove?.[1] ?? null,
    hasArrow: !map.withoutArrow.includes(id),
    isDashed: false,
  }))
  return {
    key: `overview-${map.width}`,
    isNow: options.isNow,
    width: map.width,
    height: map.height,
    frames: map.frames.map(({ title, x, y, width, height }) => ({
      key: title,
      kind: 'group',
      state: null,
      tone: null,
      title: null,
      note: null,
      isActive: false,
      x,
      y,
      width,
      height,
    })),
    texts: map.frames.flatMap(({ title, titleAt, loop }) => [
      { key: title, text: title, at: titleAt, kind: 'title' as const },
      { key: loop.text, text: loop.text, at: loop.at, kind: 'note' as const },
    ]),
    lines,
    labels: drawLabels(map, options, emphases),
    states: LICENSE_STATES.map((state) => drawState(map, state, options)),
    exits: [],
    choice: map.choice,
    dividers: [],
  }
}
