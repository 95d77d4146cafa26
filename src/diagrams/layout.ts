import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js'
import type { ChartCause, ChartEdge, ChartLayout, ChartNode, ChartPoint, ChartStart } from './chart-layout.ts'
import {
  listDescendants,
  getChildren,
  getInitialState,
  getStateId,
  type MachineState,
  collectStates,
  type Transition,
  collectTransitions,
} from './chart-states.ts'
import { formatCauses, wrapText } from './format-causes.ts'

const MARGIN = 16
const REGION_SPACING = 24
const MAX_LABEL_LENGTH = 34
const MAX_BOX_LINE_LENGTH = 26
const MAX_COMPOUND_LINE_LENGTH = 36
// Line heights in pixels. Widths are estimated for a wide sans serif font, because the reader's font is not known here.
const LABEL_LINE_HEIGHT = 13
const BOX_LINE_HEIGHT = 14
const TITLE_HEIGHT = 22

const LAYERED_OPTIONS: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
  'elk.randomSeed': '1',
  'elk.edgeLabels.inline': 'false',
  'elk.spacing.edgeLabel': '4',
  'elk.spacing.edgeNode': '16',
  'elk.spacing.edgeEdge': '12',
  'elk.spacing.nodeNode': '28',
  'elk.spacing.labelLabel': '6',
  'elk.layered.spacing.nodeNodeBetweenLayers': '36',
  'elk.layered.spacing.edgeNodeBetweenLayers': '16',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '12',
  'elk.layered.nodePlacement.strategy': 'LINEAR_SEGMENTS',
}

/**
 * Computes the diagram layout of a machine: nested boxes, orthogonal arrows, and labels without overlap. The result is
 * deterministic.
 */
export async function layoutChart(machine: {
  readonly id: string
  readonly root: unknown
}): Promise<ChartLayout> {
  const { default: Elk } = await import('elkjs/lib/elk.bundled.js')
  const elk = new Elk.default()
  const root = machine.root as MachineState
  const regions = []
  for (const region of Object.values(root.states)) {
    const transitions = collectTransitions(region)
    const graph = await elk.layout(toElkGraph(region, transitions))
    regions.push({ region, transitions, graph })
  }
  const parts = arrangeRegions(
    regions.map(({ region, transitions, graph }) => toRegionLayout(region, transitions, graph)),
  )
  return {
    name: machine.id,
    width: Math.max(...parts.map(({ nodes }) => getRight(nodes[0]))) + MARGIN,
    height: Math.max(...parts.map(({ nodes }) => getBottom(nodes[0]))) + MARGIN,
    nodes: parts.flatMap(({ nodes }) => nodes),
    edges: parts.flatMap(({ edges }) => edges),
    starts: parts.flatMap(({ starts }) => starts),
  }
}

/** Groups the transitions of a state by target. */
function groupTransitions(
  id: string,
  transitions: readonly Transition[],
): { id: string; from: string; to: string; causes: ChartCause[] }[] {
  const targets = [...new Set(transitions.flatMap(({ to }) => (to === null ? [] : [to])))]
  return targets.map((to) => ({
    id: `${id}->${to}`,
    from: id,
    to,
    causes: transitions
      .filter((transition) => transition.to === to)
      .map(({ event, guard }) => ({ event, guard })),
  }))
}

const wrapLabel = (causes: readonly ChartCause[]): string[] =>
  formatCauses(causes).flatMap((line) => wrapText(line, MAX_LABEL_LENGTH))

const measureWidth = (lines: readonly string[], perCharacter: number): number =>
  Math.max(...lines.map((line) => Math.ceil(line.length * perCharacter)), 0)
const measureLabel = (lines: readonly string[]) => ({
  width: measureWidth(lines, 5.9) + 8,
  height: lines.length * LABEL_LINE_HEIGHT + 4,
})
const wrapDescription = (description: string, isCompound: boolean): string[] =>
  wrapText(description, isCompound ? MAX_COMPOUND_LINE_LENGTH : MAX_BOX_LINE_LENGTH)

/** Converts a region to an ELK graph. */
function toElkGraph(region: MachineState, transitions: ReadonlyMap<string, Transition[]>): ElkNode {
  const toElkNode = (state: MachineState): ElkNode => {
    const children = getChildren(state)
    const lines = wrapDescription(state.description ?? '', children.length > 0)
    const width = Math.max(measureWidth([state.key], 8.2), measureWidth(lines, 6.1)) + 24
    const height = TITLE_HEIGHT + lines.length * BOX_LINE_HEIGHT + 12
    if (children.length === 0) return { id: getStateId(state), width: Math.max(width, 96), height }
    const start = getInitialState(state)
    return {
      id: getStateId(state),
      layoutOptions: {
        ...LAYERED_OPTIONS,
        'elk.padding': `[top=${height + 8},left=16,bottom=16,right=16]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${width},${height})`,
      },
      children: [
        ...(start ? [{ id: `${getStateId(state)}:start`, width: 10, height: 10 }] : []),
        ...children.map(toElkNode),
      ],
    }
  }
  const isBackwards = createBackwardsCheck(region)
  const arrows = listDescendants(region).flatMap((state) =>
    groupTransitions(getStateId(state), transitions.get(getStateId(state)) ?? []),
  )
  const starts = listDescendants(region).flatMap((state): ElkExtendedEdge[] => {
    const first = getInitialState(state)
    if (!first) return []
    const id = `${getStateId(state)}:start`
    return [
      {
        id: `${id}->`,
        sources: [id],
        targets: [getStateId(first)],
        layoutOptions: { 'elk.layered.priority.shortness': '10' },
      },
    ]
  })
  return {
    id: 'root',
    layoutOptions: { ...LAYERED_OPTIONS, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' },
    children: [toElkNode(region)],
    edges: [
      ...starts,
      ...arrows.map(({ id, from, to, causes }): ElkExtendedEdge => {
        const lines = wrapLabel(causes)
        return {
          id,
          ...(isBackwards(from, to)
            ? { sources: [to], targets: [from] }
            : { sources: [from], targets: [to] }),
          labels: [{ id: `${id}:label`, text: lines.join('\n'), ...measureLabel(lines) }],
        }
      }),
    ],
  }
}

/**
 * Creates a check for transitions to a state that the machine defines earlier. Such arrows are laid out reversed, so that
 * the diagram starts at the top and reads downwards like the definition.
 */
function createBackwardsCheck(region: MachineState): (from: string, to: string) => boolean {
  const order = new Map(listDescendants(region).map((state, i) => [getStateId(state), i]))
  return (from, to) =>
    !from.startsWith(`${to}.`) && !to.startsWith(`${from}.`) && (order.get(from) ?? 0) > (order.get(to) ?? 0)
}

/** Layout of a single region. */
interface RegionLayout {
  readonly nodes: readonly ChartNode[]
  readonly edges: readonly ChartEdge[]
  readonly starts: readonly ChartStart[]
}

const roundPixel = (value: number | undefined): number => Math.round(value ?? 0)
const flattenNodes = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(flattenNodes)]

function toRegionLayout(
  region: MachineState,
  transitions: ReadonlyMap<string, Transition[]>,
  graph: ElkNode,
): RegionLayout {
  const boxes = new Map(flattenNodes(graph).map((node) => [node.id, node]))
  const arrows = new Map((graph.edges ?? []).map((edge) => [edge.id, edge]))
  const toPoints = (id: string): ChartPoint[] => {
    const [section] = arrows.get(id)?.sections ?? []
    if (!section) return []
    return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(({ x, y }) => ({
      x: roundPixel(x),
      y: roundPixel(y),
    }))
  }
  const isBackwards = createBackwardsCheck(region)
  return {
    nodes: collectStates(region, transitions).map((state) => {
      const box = boxes.get(state.id)
      return {
        ...state,
        lines: wrapDescription(state.description, state.kind !== 'atomic'),
        x: roundPixel(box?.x),
        y: roundPixel(box?.y),
        width: roundPixel(box?.width),
        height: roundPixel(box?.height),
      }
    }),
    edges: listDescendants(region)
      .flatMap((state) => groupTransitions(getStateId(state), transitions.get(getStateId(state)) ?? []))
      .map(({ id, from, to, causes }) => {
        const lines = wrapLabel(causes)
        const points = toPoints(id)
        const [label] = arrows.get(id)?.labels ?? []
        return {
          id,
          from,
          to,
          causes,
          points: isBackwards(from, to) ? points.reverse() : points,
          label: { x: roundPixel(label?.x), y: roundPixel(label?.y), ...measureLabel(lines), lines },
        }
      }),
    starts: listDescendants(region).flatMap((state) => {
      const first = getInitialState(state)
      const dot = boxes.get(`${getStateId(state)}:start`)
      if (!first || !dot) return []
      return [
        {
          parent: getStateId(state),
          to: getStateId(first),
          x: roundPixel(dot.x) + 5,
          y: roundPixel(dot.y) + 5,
          points: toPoints(`${getStateId(state)}:start->`),
        },
      ]
    }),
  }
}

const getRight = (node: ChartNode | undefined): number => (node ? node.x + node.width : 0)
const getBottom = (node: ChartNode | undefined): number => (node ? node.y + node.height : 0)

/** Arranges the regions side by side. A small region goes below an earlier one if there is room. */
function arrangeRegions(parts: readonly RegionLayout[]): RegionLayout[] {
  const maxBottom = Math.max(...parts.map(({ nodes }) => getBottom(nodes[0])))
  const columns: { right: number; bottom: number }[] = []
  const placed: RegionLayout[] = []
  for (const part of parts) {
    const [frame] = part.nodes
    const column = columns.find(
      (candidate, i) =>
        candidate.bottom + REGION_SPACING + getBottom(frame) <= maxBottom + MARGIN &&
        getRight(frame) <= candidate.right - (columns[i - 1]?.right ?? 0) - REGION_SPACING,
    )
    const left =
      (columns[(column ? columns.indexOf(column) : columns.length) - 1]?.right ?? MARGIN - REGION_SPACING) +
      REGION_SPACING
    const moved = translate(part, left, column ? column.bottom + REGION_SPACING : MARGIN)
    const [movedFrame] = moved.nodes
    if (column) column.bottom = getBottom(movedFrame)
    else columns.push({ right: getRight(movedFrame), bottom: getBottom(movedFrame) })
    placed.push(moved)
  }
  return placed
}

function translate(part: RegionLayout, dx: number, dy: number): RegionLayout {
  const shift = <T extends ChartPoint>(at: T): T => ({ ...at, x: at.x + dx, y: at.y + dy })
  return {
    nodes: part.nodes.map(shift),
    edges: part.edges.map((edge) => ({ ...edge, points: edge.points.map(shift), label: shift(edge.label) })),
    starts: part.starts.map((start) => ({ ...shift(start), points: start.points.map(shift) })),
  }
}
