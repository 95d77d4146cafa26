import { describe, expect, it } from 'vitest'
import { getLicenseState, REGIONS, type Region, toRegionPath } from '../../machines/index.ts'
import { FOLDED_REGIONS } from '../../src/diagrams/folded-regions.ts'
import {
  findFirstMove,
  findLines,
  type LineId,
  LINE_IDS,
  type Move,
  OVERVIEW_LINES,
  OVERVIEW_LOOPS,
  type OverviewMap,
  type Point,
  TALL_MAP,
  WIDE_MAP,
} from '../../src/diagrams/overview.ts'
import { adjacency, type Snapshot, toAgentSnapshot } from '../machines/reachable-states.ts'
import { findOverlaps, type Picture } from './overlaps.ts'

const getTop = ({ value }: Snapshot, region: Region): string =>
  region === 'license'
    ? getLicenseState(toAgentSnapshot({ value } as Snapshot).value)
    : (toRegionPath(value[region]).split('.')[0] ?? '')

/** Returns the pairs of top states between which the machine moves. A state that it enters again counts as a pair. */
function listReachableMoves(region: Region): string[] {
  const moves = new Set<string>()
  for (const { state, transitions } of adjacency)
    for (const { state: next } of Object.values(transitions)) {
      const [from, to] = [getTop(state, region), getTop(next, region)]
      // The reserved state records the beginning of its child states, so that it shows no entry of its own.
      const isEnteredAgain =
        region === 'license' &&
        to !== 'reserved' &&
        state.context.authorization.since !== next.context.authorization.since
      if (from !== to || isEnteredAgain) moves.add(`${from} ${to}`)
    }
  return [...moves].sort()
}

const formatMoves = (moves: readonly (readonly [string, string])[]): string[] =>
  [...new Set(moves.map((move) => move.join(' ')))].sort()

const lineMoves = Object.values(OVERVIEW_LINES).flatMap((moves): readonly Move[] => moves)
const loopMoves = Object.values(OVERVIEW_LOOPS).flatMap((moves): readonly Move[] => moves)

describe('the overview of the license states', () => {
  it('has each move of the machine, and no other (R-INS-1)', () => {
    expect(formatMoves([...lineMoves, ...loopMoves])).toEqual(listReachableMoves('license'))
  })

  it('finds the lines of a move in their order', () => {
    expect(findLines('authorized', 'evaluation')).toEqual(['registration-ends', 'time-left'])
    expect(findLines('reserved', 'unregistered')).toEqual(['reservation-returned', 'none-left'])
    expect(findLines('evaluation', 'authorized')).toEqual([])
  })

  it('finds the first move to a state that takes several', () => {
    expect(findFirstMove('evaluation', 'authorized')).toEqual(['evaluation', 'registered'])
    expect(findFirstMove('authorized', 'auth-expired')).toEqual(['authorized', 'auth-expired'])
  })
})

describe('the columns of the other regions', () => {
  it.each(REGIONS.filter((region) => region !== 'license'))(
    'has each move of the region %s (R-INS-1)',
    (region) => {
      const moves = FOLDED_REGIONS[region].lines.flatMap((line) => line.moves)
      expect(formatMoves(moves)).toEqual(listReachableMoves(region))
    },
  )
})

/** Longest texts of a label: its own, or a date in its place. */
const listTexts = (text: readonly string[], isDated: boolean): (readonly string[])[] =>
  isDated
    ? [text, text.length > 2 ? ['no contact', 'until', 'Dec 28, 2028'] : ['no contact until', 'Dec 28, 2028']]
    : [text]

const toPicture = (map: OverviewMap, isDated: boolean): Picture => ({
  boxes: map.states,
  lines: map.lines,
  labels: map.labels.map((label) => ({
    lines: label.lines,
    at: label.at,
    text: listTexts(label.text, label.isDated ?? false)[isDated && label.isDated ? 1 : 0] ?? label.text,
  })),
})

const getEnds = (points: readonly Point[]): (Point | undefined)[] => [points[0], points.at(-1)]
const isOnEdge = ([x, y]: Point, box: { x: number; y: number; width: number; height: number }): boolean =>
  x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height

describe.each([
  ['wide', WIDE_MAP],
  ['tall', TALL_MAP],
])('the %s map', (_, map) => {
  it.each([false, true])(
    'has no label on another label, a state or a foreign line (dates: %s)',
    (isDated) => {
      expect(findOverlaps(toPicture(map, isDated))).toEqual([])
    },
  )

  it('has labels of at most 34 characters, which name all lines', () => {
    expect(map.labels.filter(({ text }) => text.join(' ').length > 34)).toEqual([])
    expect(new Set(map.labels.flatMap(({ lines }) => lines))).toEqual(new Set(LINE_IDS))
  })

  it('draws each line from its states, frames or other lines to one of them', () => {
    const places = [...Object.values(map.states), ...map.frames]
    const isOnOtherLine = (id: LineId, [x, y]: Point): boolean =>
      Math.hypot(x - map.choice[0], y - map.choice[1]) <= 12 ||
      LINE_IDS.some(
        (other) => other !== id && getEnds(map.lines[other]).some((end) => end?.[0] === x && end[1] === y),
      )
    const loose = LINE_IDS.filter((id) =>
      getEnds(map.lines[id]).some(
        (end) => !end || !(places.some((box) => isOnEdge(end, box)) || isOnOtherLine(id, end)),
      ),
    )
    expect(loose).toEqual([])
  })
})
