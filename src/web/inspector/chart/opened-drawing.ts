import { toLicenseState } from '../state-style.tsx'
import { getTopName } from '../names.ts'
import { texts } from '../texts.ts'
import { getTone } from '../tones.ts'
import type { DrawnExit, DrawnLine, Emphasis } from './drawing.types.ts'
import { drawInside, type InsideOptions, isActiveId, type Part } from './inside-parts.ts'
import { formatMove, joinCauses } from './moves.ts'

const EXIT_PITCH = 29
/** Distance of rows whose labels may take two lines. */
const HIGH_EXIT_PITCH = 42
const EXIT_GAP = 34
/** Least width of an opened state, so that the ways out have room. */
const MIN_WIDTH = 386
const EMPTY_FRAME = { width: 330, height: 41 }
const COMB_X = 18

/** Way out of an opened state, before it has a place. */
type ExitRow = Omit<DrawnExit, 'at'>

function listLicenseExits({ exits, selectedLine, formatDate }: InsideOptions): ExitRow[] {
  return exits.map(({ move, possible, at, label }) => {
    const select = formatMove(move)
    return {
      state: move[1],
      tone: null,
      name: texts.states[move[1]],
      label: at === null ? label : texts.chart.exitAt(label, formatDate(at)),
      select,
      emphasis: selectedLine === select ? 'selected' : possible.length > 0 ? 'possible' : 'rest',
    }
  })
}

function listRegistrationExits(id: string, options: InsideOptions): ExitRow[] {
  const { machine, paths, selectedLine } = options
  return machine.regionMoves
    .filter(({ region, from }) => `${region}.${from}` === id)
    .map(({ line, to, causes }) => {
      const select = `registration:${line}`
      const emphasis: Emphasis = isActiveId(id, paths) ? 'possible' : 'rest'
      return {
        state: null,
        tone: getTone('registration', to),
        name: getTopName('registration', to),
        label: joinCauses(causes),
        select,
        emphasis: selectedLine === select ? 'selected' : emphasis,
      }
    })
}

/** Draws the frame of an opened top state, and its ways out as rows below it. */
export function drawOpened(id: string, options: InsideOptions): Part {
  const [region = '', name = ''] = id.split('.')
  const state = region === 'license' ? toLicenseState(name) : null
  const inside = options.machine.insides[id]
  const { width, height } = inside ?? EMPTY_FRAME
  const isActive = isActiveId(id, options.paths)
  const part = inside ? drawInside(inside, options) : null
  const rows = state === null ? listRegistrationExits(id, options) : listLicenseExits(options)
  const pitch = state === null ? HIGH_EXIT_PITCH : EXIT_PITCH
  const getRowY = (index: number): number => height + EXIT_GAP + index * pitch
  return {
    width: Math.max(width, MIN_WIDTH),
    height: getRowY(rows.length) - pitch / 2,
    frames: [
      {
        key: id,
        kind: 'opened',
        state,
        tone: state === null ? getTone(region, name) : null,
        title: state === null ? getTopName('registration', name) : texts.states[state],
        note: isActive && state !== null ? options.since : null,
        isActive,
        x: 0,
        y: 0,
        width,
        height,
      },
      ...(part?.frames ?? []),
    ],
    states: (part?.states ?? []).map((inner) => ({ ...inner, licenseState: state })),
    labels: part?.labels ?? [],
    lines: [
      ...(part?.lines ?? []),
      ...rows.map(({ select, emphasis }, i): DrawnLine => ({
        key: `exit ${select}`,
        select,
        points: [
          [COMB_X, height],
          [COMB_X, getRowY(i)],
          [COMB_X + 25, getRowY(i)],
        ],
        emphasis,
        color: null,
        hasArrow: true,
        isDashed: false,
      })),
    ],
    exits: rows.map((row, i) => ({ ...row, at: [COMB_X + 27, getRowY(i)] })),
  }
}
