import { FOLDED_REGIONS, type FoldedRegion } from '../../../diagrams/folded-regions.ts'
import type { Point } from '../../../diagrams/overview.ts'
import { getTopName } from '../names.ts'
import { toLicenseState } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { getTone } from '../tones.ts'
import type { Drawing, DrawnLabel, DrawnLine, DrawnState } from './drawing.types.ts'
import { getRegion, type InsideOptions, type Part, type Region, REGIONS } from './inside-parts.ts'
import { drawOpened } from './opened-drawing.ts'

const HEADING_HEIGHT = 34
const COLUMN_GAP = 30

const translate = ([x, y]: Point, dx: number, dy: number): Point => [x + dx, y + dy]

function drawFolded(region: Region, folded: FoldedRegion, options: InsideOptions): Part {
  const { machine, paths, selectedLine, selectedState } = options
  const [top = '', ...inner] = paths[region].split('.')
  const innerLabel = inner.length > 0 ? machine.states[`${region}.${paths[region]}`]?.label : undefined
  const toKey = (id: string) => `${region}:${id}`
  const emphasize = (ids: readonly string[]) =>
    ids.map(toKey).includes(selectedLine ?? '')
      ? ('selected' as const)
      : folded.lines.some(({ id, moves }) => ids.includes(id) && moves.some(([from]) => from === top))
        ? ('possible' as const)
        : ('rest' as const)
  return {
    width: folded.width,
    height: folded.height,
    frames: [],
    exits: [],
    lines: folded.lines.map(({ id, points }): DrawnLine => ({
      key: toKey(id),
      select: toKey(id),
      points,
      emphasis: emphasize([id]),
      color: null,
      hasArrow: true,
      isDashed: false,
    })),
    labels: folded.labels.map(({ lines, at, text }): DrawnLabel => ({
      key: toKey(lines.join()),
      select: toKey(lines[0] ?? ''),
      at,
      text,
      emphasis: emphasize(lines),
      ground: 'canvas',
    })),
    states: Object.entries(folded.states).map(([state, box]): DrawnState => {
      const isActive = state === top
      const name = getTopName(region, state)
      return {
        ...box,
        id: `${region}.${state}`,
        name,
        licenseState: region === 'license' ? toLicenseState(state) : null,
        kind: 'folded',
        isActive,
        mayComeNext: false,
        isSelected: selectedState === `${region}.${state}`,
        details: isActive && innerLabel !== undefined ? [innerLabel] : [],
        tone: region === 'license' ? null : getTone(region, state),
        spoken: isActive ? texts.chart.active : null,
      }
    }),
  }
}

function drawPart(region: Region, options: InsideOptions): Part {
  const { open, paths } = options
  if (getRegion(open) !== region) return drawFolded(region, FOLDED_REGIONS[region], options)
  if (region === 'license' || region === 'registration') {
    const state = open.split('.')[1] ?? paths[region].split('.')[0] ?? ''
    return drawOpened(`${region}.${state}`, options)
  }
  return drawFolded(region, FOLDED_REGIONS[region], options)
}

/** Moves a part of the drawing. */
function place(part: Part, dx: number, dy: number): Part {
  const shift = <T extends { readonly x: number; readonly y: number }>(box: T): T => ({
    ...box,
    x: box.x + dx,
    y: box.y + dy,
  })
  return {
    ...part,
    frames: part.frames.map(shift),
    states: part.states.map(shift),
    exits: part.exits.map((exit) => ({ ...exit, at: translate(exit.at, dx, dy) })),
    labels: part.labels.map((label) => ({ ...label, at: translate(label.at, dx, dy) })),
    lines: part.lines.map((line) => ({
      ...line,
      points: line.points.map((point) => translate(point, dx, dy)),
    })),
  }
}

/** Draws one state or region from inside, and the other regions beside it as columns of their top states. */
export function drawOpenedView(options: InsideOptions): Drawing {
  let left = 0
  const parts: { region: Region; x: number; part: Part }[] = []
  for (const region of REGIONS) {
    const part = place(drawPart(region, options), left, HEADING_HEIGHT)
    parts.push({ region, x: left, part })
    left += part.width + COLUMN_GAP
  }
  return {
    key: `open-${options.open}`,
    isNow: options.isNow,
    width: left - COLUMN_GAP,
    height: Math.max(...parts.map(({ part }) => part.height)) + HEADING_HEIGHT,
    frames: parts.flatMap(({ part }) => part.frames),
    lines: parts.flatMap(({ part }) => part.lines),
    labels: parts.flatMap(({ part }) => part.labels),
    states: parts.flatMap(({ part }) => part.states),
    exits: parts.flatMap(({ part }) => part.exits),
    texts: parts.map(({ region, x }) => ({
      key: region,
      text: texts.regions[region],
      at: [x, 0] as const,
      kind: 'heading' as const,
      ...(region === 'license' || region === 'registration'
        ? { opens: `${region}.${options.paths[region].split('.')[0] ?? ''}` }
        : {}),
    })),
    choice: null,
    dividers: parts.slice(1).map(({ x }) => x - COLUMN_GAP / 2),
  }
}
