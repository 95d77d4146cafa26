/** Cause of a transition: an event, and the name of its guard. */
export interface ChartCause {
  /** Event type, such as `authorize.accepted` or `tick`. `always` for an eventless transition. */
  readonly event: string
  readonly guard: string | null
}

export interface ChartPoint {
  readonly x: number
  readonly y: number
}

/** State or parallel region of a machine. */
export interface ChartState {
  /** Dotted path below the root: `license.authorized.requesting`. */
  readonly id: string
  readonly key: string
  readonly description: string
  readonly kind: 'region' | 'compound' | 'atomic'
  /** Id of the parent state. Null for a region. */
  readonly parent: string | null
  /** True for the initial state of its parent. */
  readonly initial: boolean
  /** Causes of internal transitions. */
  readonly inside: readonly ChartCause[]
}

/** State with its box in the diagram. */
export interface ChartNode extends ChartState {
  /** Description, wrapped into lines. */
  readonly lines: readonly string[]
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Arrow of the diagram, with the causes of its transitions. */
export interface ChartEdge {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly causes: readonly ChartCause[]
  readonly points: readonly ChartPoint[]
  readonly label: {
    readonly x: number
    readonly y: number
    readonly width: number
    readonly height: number
    readonly lines: readonly string[]
  }
}

/** Dot in a box, with its arrow to the initial state. */
export interface ChartStart {
  /** Id of the state that contains the dot. */
  readonly parent: string
  readonly to: string
  readonly x: number
  readonly y: number
  readonly points: readonly ChartPoint[]
}

/** Layout of a machine's diagram: plain JSON, in whole pixels from the upper left corner. */
export interface ChartLayout {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly nodes: readonly ChartNode[]
  readonly edges: readonly ChartEdge[]
  readonly starts: readonly ChartStart[]
}

/**
 * Active states of a machine, as one path for each region: `{ registration: 'registered.current', license: … }`. The
 * history uses this format. Other keys are ignored.
 */
export type ActiveStates = Readonly<Record<string, unknown>>

/** Converts a state value, `{ license: { authorized: 'requesting' } }`, to paths by region. */
export function toActiveStates(value: Readonly<Record<string, unknown>>): ActiveStates {
  return Object.fromEntries(Object.entries(value).map(([region, inner]) => [region, toPath(inner)]))
}

const toPath = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return ''
  const [key, inner] = Object.entries(value as Record<string, unknown>)[0] ?? ['', '']
  return [key, toPath(inner)].filter((part) => part !== '').join('.')
}

/** Returns the ids of a state's ancestors and its own id, outermost first. */
export const includeAncestors = (id: string): string[] =>
  id.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'))

/** Returns the ids of the active states and their ancestors. Ignores unknown regions and states. */
export function findActiveNodes(
  active: ActiveStates,
  chart: { readonly nodes: readonly ChartState[] },
): string[] {
  const ids = new Set(
    Object.entries(active).flatMap(([region, path]) =>
      typeof path === 'string' && path !== '' ? includeAncestors(`${region}.${path}`) : [],
    ),
  )
  return chart.nodes.filter(({ id }) => ids.has(id)).map(({ id }) => id)
}

/** Event, and the active states before and after the event. */
export interface ChartMove {
  readonly event: string
  readonly before: ActiveStates
  readonly after: ActiveStates
}

/**
 * Returns the ids of the edges that an event traversed: in each region at most one edge of the event and one eventless
 * edge. Internal transitions traverse none.
 */
export function findTraversedEdges({ event, before, after }: ChartMove, layout: ChartLayout): string[] {
  const regions = layout.nodes.filter(({ kind }) => kind === 'region').map(({ key }) => key)
  return regions.flatMap((region) => {
    const [from, to] = [before[region], after[region]]
    if (typeof from !== 'string' || typeof to !== 'string') return []
    return findEdgesInRegion(layout, event, { from: `${region}.${from}`, to: `${region}.${to}` })
  })
}

/** Events that the machine raises while it processes another event. The history contains only the other event. */
const RAISED_EVENTS = ['registration.ended']

function findEdgesInRegion(layout: ChartLayout, event: string, move: { from: string; to: string }): string[] {
  const exited = includeAncestors(move.from)
  const entered = includeAncestors(move.to)
  const isCausedBy = (name: string) => (edge: ChartEdge) => edge.causes.some((cause) => cause.event === name)
  const isCausedByEvent = (edge: ChartEdge) =>
    isCausedBy(event)(edge) || RAISED_EVENTS.some((name) => isCausedBy(name)(edge))
  const compareDepth = (a: ChartEdge, b: ChartEdge) =>
    b.from.length + b.to.length - (a.from.length + a.to.length)
  const candidates = layout.edges.filter(isCausedByEvent).filter(({ from }) => exited.includes(from))
  const direct = candidates
    .filter(({ to }) => getInitialDescendant(layout, to) === move.to)
    .sort(compareDepth)
    .at(0)
  if (direct) return [direct.id]
  if (move.from === move.to) return []
  const eventless = layout.edges.filter(isCausedBy('always')).find(({ to }) => to === move.to)
  const first = candidates.find(({ to }) => entered.includes(to))
  return [first, eventless].flatMap((edge) => (edge ? [edge.id] : []))
}

/** Returns the innermost state that is entered when a state is entered. */
function getInitialDescendant(layout: ChartLayout, id: string): string {
  const first = layout.nodes.find(({ parent, initial }) => parent === id && initial)
  return first ? getInitialDescendant(layout, first.id) : id
}
