import type { Inside, InsideEdge, MachineDrawing } from '../../../diagrams/inside-layout.types.ts'
import { getTone } from '../tones.ts'
import type { Drawing, DrawnFrame, DrawnLabel, DrawnLine, DrawnState } from './drawing.types.ts'
import type { Exit } from './moves.ts'
import { texts } from '../texts.ts'

export const REGIONS = ['license', 'registration', 'reservation', 'connection'] as const
export type Region = (typeof REGIONS)[number]
export type RegionPaths = Readonly<Record<Region, string>>

export interface InsideOptions {
  readonly isNow: boolean
  /** Id of the open state or region. */
  readonly open: string
  readonly machine: MachineDrawing
  /** Path of the active state of each region, such as `authorized.current`. */
  readonly paths: RegionPaths
  readonly exits: readonly Exit[]
  readonly selectedLine: string | null
  readonly selectedState: string | null
  /** Beginning of the active license state, for the title of its frame. */
  readonly since: string | null
  readonly formatDate: (at: string) => string
}

/** Part of the drawing: one region, in its own coordinates. */
export type Part = Pick<Drawing, 'frames' | 'lines' | 'labels' | 'states' | 'exits' | 'width' | 'height'>

/** Returns true if the state with this id is active, or contains the active state. */
export const isActiveId = (id: string, paths: RegionPaths): boolean =>
  REGIONS.some((region) => `${region}.${paths[region]}.`.startsWith(`${id}.`))

export const getRegion = (id: string): Region =>
  REGIONS.find((region) => region === id.split('.')[0]) ?? 'license'

function drawEdge(edge: InsideEdge, options: InsideOptions): { line: DrawnLine; label: DrawnLabel } {
  const isActive = isActiveId(edge.from, options.paths)
  const emphasis = options.selectedLine === edge.id ? 'selected' : isActive ? 'possible' : 'rest'
  const shared = { key: edge.id, select: edge.id, emphasis } as const
  return {
    line: { ...shared, points: edge.points, color: null, hasArrow: true, isDashed: edge.isFromParent },
    label: { ...shared, at: edge.label.at, text: edge.label.text, ground: 'card' },
  }
}

/** Draws the states inside a state or region, as the build has laid them out. */
export function drawInside(inside: Inside, options: InsideOptions): Part {
  const { machine, paths, selectedState } = options
  const edges = inside.edges.map((edge) => drawEdge(edge, options))
  return {
    width: inside.width,
    height: inside.height,
    exits: [],
    frames: inside.nodes
      .filter(({ isFrame }) => isFrame)
      .map(({ id, x, y, width, height }): DrawnFrame => ({
        key: id,
        kind: 'compound',
        state: null,
        tone: null,
        title: machine.states[id]?.label ?? id,
        note: null,
        isActive: isActiveId(id, paths),
        x,
        y,
        width,
        height,
      })),
    lines: edges.map(({ line }) => line),
    labels: edges.map(({ label }) => label),
    states: inside.nodes
      .filter(({ isFrame }) => !isFrame)
      .map(({ id, x, y, width, height }): DrawnState => {
        const isActive = isActiveId(id, paths)
        const name = machine.states[id]?.label ?? id
        const region = getRegion(id)
        return {
          id,
          name,
          licenseState: null,
          kind: 'inner',
          isActive,
          mayComeNext: false,
          isSelected: selectedState === id,
          details: [],
          tone: region === 'license' ? null : getTone(region, id.split('.')[1] ?? ''),
          spoken: isActive ? texts.chart.active : null,
          x,
          y,
          width,
          height,
        }
      }),
  }
}
