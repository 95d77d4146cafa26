import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js'
import type { ChartCause, ChartEdge, ChartLayout, ChartNode, ChartPoint, ChartStart } from './chart-layout.ts'
import {
  allOf,
  childrenOf,
  firstOf,
  idOf,
  type MachineState,
  statesOf,
  type Way,
  waysOf,
} from './chart-states.ts'
import { causeLines, wrap } from './words.ts'

const MARGIN = 16
const BETWEEN_AXES = 24
const LABEL_CHARACTERS = 34
const BOX_CHARACTERS = 26
const ROUND_CHARACTERS = 36
/** What the drawing gives each line; widths are those of a wide sans serif, since the reader's font is not known here. */
const LABEL_LINE = 13
const BOX_LINE = 14
const TITLE = 22

const LAYERED: LayoutOptions = {
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
 * Lays a chart out: nested boxes, arrows at right angles, labels that hide nothing. The same chart gives the same
 * layout, always.
 */
export async function layOutChart(machine: {
  readonly id: string
  readonly root: unknown
}): Promise<ChartLayout> {
  const { default: Elk } = await import('elkjs/lib/elk.bundled.js')
  const elk = new Elk.default()
  const root = machine.root as MachineState
  const axes = []
  for (const axis of Object.values(root.states)) {
    const ways = waysOf(axis)
    const laid = await elk.layout(graphOf(axis, ways))
    axes.push({ axis, ways, laid })
  }
  const parts = beside(axes.map(({ axis, ways, laid }) => partOf(axis, ways, laid)))
  return {
    name: machine.id,
    width: Math.max(...parts.map(({ nodes }) => right(nodes[0]))) + MARGIN,
    height: Math.max(...parts.map(({ nodes }) => bottom(nodes[0]))) + MARGIN,
    nodes: parts.flatMap(({ nodes }) => nodes),
    edges: parts.flatMap(({ edges }) => edges),
    starts: parts.flatMap(({ starts }) => starts),
  }
}

/** The moves out of a state, its causes gathered by where they lead. */
function movesOf(
  id: string,
  ways: readonly Way[],
): { id: string; from: string; to: string; causes: ChartCause[] }[] {
  const targets = [...new Set(ways.flatMap(({ to }) => (to === null ? [] : [to])))]
  return targets.map((to) => ({
    id: `${id}->${to}`,
    from: id,
    to,
    causes: ways.filter((way) => way.to === to).map(({ event, guard }) => ({ event, guard })),
  }))
}

const labelLines = (causes: readonly ChartCause[]): string[] =>
  causeLines(causes).flatMap((line) => wrap(line, LABEL_CHARACTERS))

const widest = (lines: readonly string[], perCharacter: number): number =>
  Math.max(...lines.map((line) => Math.ceil(line.length * perCharacter)), 0)
const labelSize = (lines: readonly string[]) => ({
  width: widest(lines, 5.9) + 8,
  height: lines.length * LABEL_LINE + 4,
})
const descriptionLines = (description: string, within: boolean): string[] =>
  wrap(description, within ? ROUND_CHARACTERS : BOX_CHARACTERS)

/** An axis as ELK takes it. */
function graphOf(axis: MachineState, ways: ReadonlyMap<string, Way[]>): ElkNode {
  const nodeOf = (state: MachineState): ElkNode => {
    const children = childrenOf(state)
    const lines = descriptionLines(state.description ?? '', children.length > 0)
    const width = Math.max(widest([state.key], 8.2), widest(lines, 6.1)) + 24
    const height = TITLE + lines.length * BOX_LINE + 12
    if (children.length === 0) return { id: idOf(state), width: Math.max(width, 96), height }
    const start = firstOf(state)
    return {
      id: idOf(state),
      layoutOptions: {
        ...LAYERED,
        'elk.padding': `[top=${height + 8},left=16,bottom=16,right=16]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${width},${height})`,
      },
      children: [
        ...(start ? [{ id: `${idOf(state)}:start`, width: 10, height: 10 }] : []),
        ...children.map(nodeOf),
      ],
    }
  }
  const backwards = backwardsIn(axis)
  const moves = allOf(axis).flatMap((state) => movesOf(idOf(state), ways.get(idOf(state)) ?? []))
  const starts = allOf(axis).flatMap((state): ElkExtendedEdge[] => {
    const first = firstOf(state)
    if (!first) return []
    const id = `${idOf(state)}:start`
    return [
      {
        id: `${id}->`,
        sources: [id],
        targets: [idOf(first)],
        layoutOptions: { 'elk.layered.priority.shortness': '10' },
      },
    ]
  })
  return {
    id: 'root',
    layoutOptions: { ...LAYERED, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' },
    children: [nodeOf(axis)],
    edges: [
      ...starts,
      ...moves.map(({ id, from, to, causes }): ElkExtendedEdge => {
        const lines = labelLines(causes)
        return {
          id,
          ...(backwards(from, to) ? { sources: [to], targets: [from] } : { sources: [from], targets: [to] }),
          labels: [{ id: `${id}:label`, text: lines.join('\n'), ...labelSize(lines) }],
        }
      }),
    ],
  }
}

/**
 * Whether a move goes back to a state that the chart names earlier. Such an arrow is laid out the other way round, so that
 * the drawing begins where the chart begins, and reads downwards as its definition does.
 */
function backwardsIn(axis: MachineState): (from: string, to: string) => boolean {
  const order = new Map(allOf(axis).map((state, i) => [idOf(state), i]))
  return (from, to) =>
    !from.startsWith(`${to}.`) && !to.startsWith(`${from}.`) && (order.get(from) ?? 0) > (order.get(to) ?? 0)
}

/** An axis that was laid out, by itself. */
interface Part {
  readonly nodes: readonly ChartNode[]
  readonly edges: readonly ChartEdge[]
  readonly starts: readonly ChartStart[]
}

const round = (value: number | undefined): number => Math.round(value ?? 0)
const allNodes = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(allNodes)]

function partOf(axis: MachineState, ways: ReadonlyMap<string, Way[]>, laid: ElkNode): Part {
  const boxes = new Map(allNodes(laid).map((node) => [node.id, node]))
  const arrows = new Map((laid.edges ?? []).map((edge) => [edge.id, edge]))
  const pointsOf = (id: string): ChartPoint[] => {
    const [section] = arrows.get(id)?.sections ?? []
    if (!section) return []
    return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(({ x, y }) => ({
      x: round(x),
      y: round(y),
    }))
  }
  const backwards = backwardsIn(axis)
  return {
    nodes: statesOf(axis, ways).map((state) => {
      const box = boxes.get(state.id)
      return {
        ...state,
        lines: descriptionLines(state.description, state.kind !== 'atomic'),
        x: round(box?.x),
        y: round(box?.y),
        width: round(box?.width),
        height: round(box?.height),
      }
    }),
    edges: allOf(axis)
      .flatMap((state) => movesOf(idOf(state), ways.get(idOf(state)) ?? []))
      .map(({ id, from, to, causes }) => {
        const lines = labelLines(causes)
        const points = pointsOf(id)
        const [label] = arrows.get(id)?.labels ?? []
        return {
          id,
          from,
          to,
          causes,
          points: backwards(from, to) ? points.reverse() : points,
          label: { x: round(label?.x), y: round(label?.y), ...labelSize(lines), lines },
        }
      }),
    starts: allOf(axis).flatMap((state) => {
      const first = firstOf(state)
      const dot = boxes.get(`${idOf(state)}:start`)
      if (!first || !dot) return []
      return [
        {
          parent: idOf(state),
          to: idOf(first),
          x: round(dot.x) + 5,
          y: round(dot.y) + 5,
          points: pointsOf(`${idOf(state)}:start->`),
        },
      ]
    }),
  }
}

const right = (node: ChartNode | undefined): number => (node ? node.x + node.width : 0)
const bottom = (node: ChartNode | undefined): number => (node ? node.y + node.height : 0)

/** The axes beside one another; a small one goes under the one before it, where that leaves room for it. */
function beside(parts: readonly Part[]): Part[] {
  const tallest = Math.max(...parts.map(({ nodes }) => bottom(nodes[0])))
  const columns: { right: number; bottom: number }[] = []
  const placed: Part[] = []
  for (const part of parts) {
    const [axis] = part.nodes
    const column = columns.find(
      (one, i) =>
        one.bottom + BETWEEN_AXES + bottom(axis) <= tallest + MARGIN &&
        right(axis) <= one.right - (columns[i - 1]?.right ?? 0) - BETWEEN_AXES,
    )
    const left =
      (columns[(column ? columns.indexOf(column) : columns.length) - 1]?.right ?? MARGIN - BETWEEN_AXES) +
      BETWEEN_AXES
    const moved = move(part, left, column ? column.bottom + BETWEEN_AXES : MARGIN)
    const [there] = moved.nodes
    if (column) column.bottom = bottom(there)
    else columns.push({ right: right(there), bottom: bottom(there) })
    placed.push(moved)
  }
  return placed
}

function move(part: Part, right: number, down: number): Part {
  const shift = <T extends ChartPoint>(at: T): T => ({ ...at, x: at.x + right, y: at.y + down })
  return {
    nodes: part.nodes.map(shift),
    edges: part.edges.map((edge) => ({ ...edge, points: edge.points.map(shift), label: shift(edge.label) })),
    starts: part.starts.map((start) => ({ ...shift(start), points: start.points.map(shift) })),
  }
}
