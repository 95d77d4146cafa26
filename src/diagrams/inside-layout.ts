import { createHash } from 'node:crypto'
import type { ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs/lib/elk-api.js'
import { REGIONS, type LicenseState } from '../../machines/state-names.ts'
import { FOLDED_REGIONS } from './folded-regions.ts'
import { wrapText } from './format-causes.ts'
import type { Inside, InsideCause, InsideEdge, InsideNode, MachineDrawing } from './inside-layout.types.ts'
import { OVERVIEW_LINES, OVERVIEW_LOOPS, type Move, type Point } from './overview.ts'
import { measureText } from './text-width.ts'

/** State node of a machine, as XState defines it. */
interface State {
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly meta?: { readonly label?: string } | undefined
  readonly states: Readonly<Record<string, State>>
  readonly transitions: Map<string, readonly StateTransition[]>
  readonly always?: readonly StateTransition[] | undefined
}
interface StateTransition {
  readonly target?: readonly State[] | undefined
  readonly guard?: unknown
  readonly meta?: { readonly label?: string } | undefined
  readonly description?: string | undefined
}
interface Machine {
  readonly config: unknown
  readonly root: unknown
}

const STATE_WIDTH = 130
const STATE_HEIGHT = 46
const STATE_PADDING = 12
const NAME_SIZE = 13.5
export const LABEL_SIZE = 12.5
export const LABEL_LINE_HEIGHT = 16
const MAX_LABEL_LENGTH = 17
/** Height of the title bar of an opened state. */
export const TITLE_BAR_HEIGHT = 41
const FRAME_TITLE_HEIGHT = 32
/** Least width of an opened state, so that its name and the beginning of the state fit in one line. */
const MIN_FRAME_WIDTH = 330

const OPTIONS: LayoutOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
  'elk.randomSeed': '1',
  'elk.edgeLabels.inline': 'true',
  'elk.spacing.edgeNode': '20',
  'elk.spacing.edgeEdge': '16',
  'elk.spacing.nodeNode': '24',
  'elk.spacing.edgeLabel': '0',
  'elk.layered.spacing.nodeNodeBetweenLayers': '13',
  'elk.layered.spacing.edgeNodeBetweenLayers': '18',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '16',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
}

const getId = ({ path }: State): string => path.join('.')
const getChildren = ({ states }: State): State[] => Object.values(states)
const listDescendants = (state: State): State[] =>
  getChildren(state).flatMap((child) => [child, ...listDescendants(child)])
const getLabel = ({ key, meta }: State): string => meta?.label ?? key

/** Returns a hash of a machine's configuration, which changes with every change of the machine. */
export const hashMachine = ({ config }: Machine): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 16)

interface FoundTransition extends InsideCause {
  readonly to: State
}

/** Lists the transitions that a state defines, except internal ones. */
function listTransitions(state: State): FoundTransition[] {
  return [...state.transitions, ['always', state.always ?? []] as const].flatMap(([event, candidates]) =>
    candidates.flatMap(({ target, guard, meta, description }): FoundTransition[] => {
      const [to] = target ?? []
      if (!to) return []
      return [
        {
          event,
          guard: typeof guard === 'string' ? guard : null,
          label: meta?.label ?? '',
          description: description ?? '',
          to,
        },
      ]
    }),
  )
}

/**
 * Returns the state from which a transition is drawn. An answer to an authorization arrives where the device waits for
 * it, although its transition is defined for the parent state.
 */
function findDrawnSource(state: State, event: string): State {
  return (event.startsWith('authorize.') ? state.states.requesting : undefined) ?? state
}

/** Joins the labels of causes. Leaves out repeated labels, and those that begin with another label. */
export function joinLabels(causes: readonly Pick<InsideCause, 'label'>[]): string {
  const labels = [...new Set(causes.map(({ label }) => label))].filter(
    (label, _, all) => !all.some((other) => other !== label && label.startsWith(`${other},`)),
  )
  return labels.join(', or ')
}

interface Arrow {
  readonly from: State
  readonly to: State
  readonly causes: InsideCause[]
}

/** Groups the transitions inside a state by their ends. */
function listArrows(frame: State): Arrow[] {
  const inside = new Set(listDescendants(frame).map(getId))
  const arrows = new Map<string, Arrow>()
  for (const state of [frame, ...listDescendants(frame)])
    for (const { to, ...cause } of listTransitions(state)) {
      const from = findDrawnSource(state, cause.event)
      if (!inside.has(getId(to)) || from === to) continue
      const id = `${getId(from)}->${getId(to)}`
      const arrow = arrows.get(id)
      if (arrow) arrow.causes.push(cause)
      else arrows.set(id, { from, to, causes: [cause] })
    }
  return [...arrows.values()]
}

const isInside = (state: State, frame: State): boolean => getId(state).startsWith(`${getId(frame)}.`)
const wrapLabel = ({ causes }: Arrow): string[] => wrapText(joinLabels(causes), MAX_LABEL_LENGTH)
const getArrowId = ({ from, to }: Arrow): string => `${getId(from)}->${getId(to)}`

function toElkNode(state: State, titleHeight: number, minWidth = 0): ElkNode {
  const children = getChildren(state)
  const nameWidth = measureText(getLabel(state), NAME_SIZE, 600) + 2 * STATE_PADDING
  if (children.length === 0)
    return { id: getId(state), width: Math.max(STATE_WIDTH, Math.ceil(nameWidth)), height: STATE_HEIGHT }
  return {
    id: getId(state),
    layoutOptions: {
      ...OPTIONS,
      'elk.padding': `[top=${titleHeight + 13},left=18,bottom=13,right=18]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      // ELK takes the size of the turned graph when the layout runs down.
      'elk.nodeSize.minimum': `(${titleHeight + STATE_HEIGHT},${Math.max(minWidth, Math.ceil(nameWidth))})`,
    },
    children: children.map((child) => toElkNode(child, FRAME_TITLE_HEIGHT)),
  }
}

/**
 * Creates a check for arrows to a state that the machine defines earlier. They are laid out reversed, so that the drawing
 * reads downwards like the definition.
 */
function createBackwardsCheck(frame: State): (arrow: Arrow) => boolean {
  const order = new Map([frame, ...listDescendants(frame)].map((state, i) => [state, i]))
  return ({ from, to }) =>
    !isInside(from, to) && !isInside(to, from) && (order.get(from) ?? 0) > (order.get(to) ?? 0)
}

function toElkEdge(arrow: Arrow, isBackwards: boolean): ElkExtendedEdge {
  const text = wrapLabel(arrow)
  const width = Math.max(...text.map((line) => measureText(line, LABEL_SIZE, 600)), 0)
  return {
    id: getArrowId(arrow),
    sources: [getId(isBackwards ? arrow.to : arrow.from)],
    targets: [getId(isBackwards ? arrow.from : arrow.to)],
    labels: [
      { text: text.join('\n'), width: Math.ceil(width) + 12, height: text.length * LABEL_LINE_HEIGHT + 4 },
    ],
  }
}

const flatten = (node: ElkNode): ElkNode[] => [node, ...(node.children ?? []).flatMap(flatten)]

/** Moves the beginning of a line from the edge of its frame to below the title bar. */
function clipAtTitleBar(points: readonly Point[], bottom: number): Point[] {
  const first = points.findIndex(([, y]) => y > bottom)
  const [x] = points[first - 1] ?? points[first] ?? [0, 0]
  return first < 0 ? [...points] : [[x, bottom], ...points.slice(first)]
}

function toInsideEdge(
  arrow: Arrow,
  edge: ElkExtendedEdge | undefined,
  titleBottom: number | null,
): InsideEdge {
  const [section] = edge?.sections ?? []
  const [label] = edge?.labels ?? []
  const points = section
    ? [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(({ x, y }): Point => [
        Math.round(x),
        Math.round(y),
      ])
    : []
  return {
    id: getArrowId(arrow),
    from: getId(arrow.from),
    to: getId(arrow.to),
    isFromParent: titleBottom !== null,
    causes: arrow.causes,
    points: titleBottom === null ? points : clipAtTitleBar(points, titleBottom),
    label: {
      at: [
        Math.round((label?.x ?? 0) + (label?.width ?? 0) / 2),
        Math.round((label?.y ?? 0) + (label?.height ?? 0) / 2),
      ],
      text: wrapLabel(arrow),
    },
  }
}

/** Lays out the states inside a state. */
async function layoutInside(frame: State): Promise<Inside> {
  const { default: Elk } = await import('elkjs/lib/elk.bundled.js')
  const arrows = listArrows(frame)
  const isBackwards = createBackwardsCheck(frame)
  const graph = await new Elk.default().layout({
    id: 'root',
    layoutOptions: { ...OPTIONS, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' },
    children: [toElkNode(frame, TITLE_BAR_HEIGHT, MIN_FRAME_WIDTH)],
    edges: arrows.map((arrow) => toElkEdge(arrow, isBackwards(arrow))),
  })
  const boxes = new Map(flatten(graph).map((node) => [node.id, node]))
  const lines = new Map(graph.edges.map((edge) => [edge.id, edge]))
  const toNode = (state: State): InsideNode => {
    const { x = 0, y = 0, width = 0, height = 0 } = boxes.get(getId(state)) ?? {}
    const [left, top] = [Math.round(x), Math.round(y)]
    return {
      id: getId(state),
      isFrame: getChildren(state).length > 0,
      x: left,
      y: top,
      width: Math.round(width),
      height: Math.round(height),
    }
  }
  const root = toNode(frame)
  return {
    width: root.width,
    height: root.height,
    nodes: listDescendants(frame).map(toNode),
    edges: arrows.map((arrow) => {
      const isFromParent = isInside(arrow.to, arrow.from)
      const height = arrow.from === frame ? TITLE_BAR_HEIGHT : FRAME_TITLE_HEIGHT
      const bottom = Math.round(boxes.get(getId(arrow.from))?.y ?? 0) + height
      const edge = toInsideEdge(arrow, lines.get(getArrowId(arrow)), isFromParent ? bottom : null)
      return isBackwards(arrow) ? { ...edge, points: edge.points.toReversed() } : edge
    }),
  }
}

/**
 * Lists the causes of a move between top states: transitions of the state and its child states. Those of its region are
 * added only for a state without others, or for an event of which the state handles a part. For example, a registration
 * cannot end in an evaluation, although the region's transition names no state.
 */
function listCauses(region: State, [from, to]: readonly [from: string, to: string]): InsideCause[] {
  const state = region.states[from]
  if (!state) return []
  const find = (states: readonly State[]): InsideCause[] => {
    const causes = states
      .flatMap(listTransitions)
      // A move to the same state enters it again, so that its target is the state itself.
      .filter(({ to: target }) => target.path[1] === to && (from !== to || target.path.length === 2))
      .map(({ event, guard, label, description }) => ({ event, guard, label, description }))
    return [...new Map(causes.map((cause) => [JSON.stringify(cause), cause])).values()]
  }
  const own = find([state, ...listDescendants(state)])
  const isNew = (cause: InsideCause): boolean =>
    !own.some(({ event, guard }) => event === cause.event && guard === cause.guard)
  const isAboutSameEvent = ({ event }: InsideCause): boolean => own.some((cause) => cause.event === event)
  return own.length === 0
    ? find([region])
    : [...own, ...find([region]).filter((cause) => isAboutSameEvent(cause) && isNew(cause))]
}

/** Lists the moves of the other regions' columns with their causes. */
const listRegionMoves = (regions: readonly State[]): MachineDrawing['regionMoves'] =>
  REGIONS.flatMap((name) => {
    const region = regions.find(({ key }) => key === name)
    return FOLDED_REGIONS[name].lines.flatMap(({ id, moves }) =>
      region
        ? moves.map((move) => ({
            region: name,
            line: id,
            from: move[0],
            to: move[1],
            causes: listCauses(region, move),
          }))
        : [],
    )
  })

/** Lists what is laid out: top states with child states. */
const listFrames = (regions: readonly State[]): State[] =>
  regions.flatMap(getChildren).filter((state) => getChildren(state).length > 0)

/** Draws the insides of all license states and regions, and collects the words of the machine. */
export async function drawMachine(
  machine: Machine,
  words: Pick<MachineDrawing, 'events' | 'notices'>,
): Promise<MachineDrawing> {
  const regions = getChildren(machine.root as State)
  const states = regions.flatMap((region) => [region, ...listDescendants(region)])
  const license = regions.find(({ key }) => key === 'license')
  const insides: [string, Inside][] = []
  for (const frame of listFrames(regions)) insides.push([getId(frame), await layoutInside(frame)])
  const moves: readonly Move[] = [
    ...Object.values(OVERVIEW_LINES).flatMap((line): readonly Move[] => line),
    ...Object.values(OVERVIEW_LOOPS).flatMap((line): readonly Move[] => line),
  ]
  const pairs = new Map(moves.map((move) => [move.join(' '), move]))
  return {
    machine: hashMachine(machine),
    states: Object.fromEntries(
      states.map((state) => [getId(state), { label: getLabel(state), description: state.description ?? '' }]),
    ),
    moves: [...pairs.values()].map((move) => ({
      from: move[0] satisfies LicenseState,
      to: move[1] satisfies LicenseState,
      causes: license ? listCauses(license, move) : [],
    })),
    regionMoves: listRegionMoves(regions),
    insides: Object.fromEntries(insides),
    ...words,
  }
}
