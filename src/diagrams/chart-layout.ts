/** One cause of a move: an event, and the name of the guard that must hold. */
export interface ChartCause {
  /** As the chart names it: `authorize.accepted`, `TICK`; `always` for what is taken at once. */
  readonly event: string
  readonly guard: string | null
}

export interface ChartPoint {
  readonly x: number
  readonly y: number
}

/** A state, or an axis of a parallel chart. */
export interface ChartState {
  /** The dotted path below the root: `license.authorized.requesting`. */
  readonly id: string
  readonly key: string
  readonly description: string
  readonly kind: 'region' | 'compound' | 'atomic'
  /** The id of the box round this one; null for an axis. */
  readonly parent: string | null
  /** Whether the box round this one is entered here. */
  readonly initial: boolean
  /** What happens here without leaving. */
  readonly inside: readonly ChartCause[]
}

/** A state's box in the drawing. */
export interface ChartNode extends ChartState {
  /** The description, broken as it is drawn. */
  readonly lines: readonly string[]
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** An arrow, with everything that makes the chart take it. */
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

/** The dot in a box, and its arrow to the state that is entered first. */
export interface ChartStart {
  /** The box it is in. */
  readonly parent: string
  readonly to: string
  readonly x: number
  readonly y: number
  readonly points: readonly ChartPoint[]
}

/** A chart that was laid out: plain JSON, in whole pixels from the upper left corner. */
export interface ChartLayout {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly nodes: readonly ChartNode[]
  readonly edges: readonly ChartEdge[]
  readonly starts: readonly ChartStart[]
}

/**
 * Where a chart stands, an axis a key, as a path in it: `{ registration: 'registered.current', license: … }`, which
 * is how the history keeps it. Other keys say nothing.
 */
export type ActiveStates = Readonly<Record<string, unknown>>

/** The chart's own value, `{ license: { authorized: 'requesting' } }`, as a standing. */
export function activeStates(value: Readonly<Record<string, unknown>>): ActiveStates {
  return Object.fromEntries(Object.entries(value).map(([axis, inner]) => [axis, toPath(inner)]))
}

const toPath = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return ''
  const [key, inner] = Object.entries(value as Record<string, unknown>)[0] ?? ['', '']
  return [key, toPath(inner)].filter((part) => part !== '').join('.')
}

/** An id with those of the boxes round it, outermost first. */
export const includeAncestors = (id: string): string[] =>
  id.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'))

/** The ids that are lit where a chart stands: states, and the boxes round them. Axes and states it does not have are left out. */
export function findActiveNodes(
  active: ActiveStates,
  chart: { readonly nodes: readonly ChartState[] },
): string[] {
  const lit = new Set(
    Object.entries(active).flatMap(([axis, path]) =>
      typeof path === 'string' && path !== '' ? includeAncestors(`${axis}.${path}`) : [],
    ),
  )
  return chart.nodes.filter(({ id }) => lit.has(id)).map(({ id }) => id)
}

/** One event, and where the chart stood before and after it. */
export interface ChartMove {
  readonly event: string
  readonly before: ActiveStates
  readonly after: ActiveStates
}

/**
 * The ids of the edges that an event took: in each axis at most one of its own, and one that is taken at once. What
 * went on inside a state takes none.
 */
export function traversedEdges({ event, before, after }: ChartMove, layout: ChartLayout): string[] {
  const regions = layout.nodes.filter(({ kind }) => kind === 'region').map(({ key }) => key)
  return regions.flatMap((region) => {
    const [from, to] = [before[region], after[region]]
    if (typeof from !== 'string' || typeof to !== 'string') return []
    return findTraversedEdges(layout, event, { from: `${region}.${from}`, to: `${region}.${to}` })
  })
}

function findTraversedEdges(
  layout: ChartLayout,
  event: string,
  move: { from: string; to: string },
): string[] {
  const left = includeAncestors(move.from)
  const entered = includeAncestors(move.to)
  const by = (name: string) => (edge: ChartEdge) => edge.causes.some((cause) => cause.event === name)
  const deepest = (a: ChartEdge, b: ChartEdge) => b.from.length + b.to.length - (a.from.length + a.to.length)
  const candidates = layout.edges.filter(by(event)).filter(({ from }) => left.includes(from))
  const direct = candidates
    .filter(({ to }) => getInitialDescendant(layout, to) === move.to)
    .sort(deepest)
    .at(0)
  if (direct) return [direct.id]
  if (move.from === move.to) return []
  const atOnce = layout.edges.filter(by('always')).find(({ to }) => to === move.to)
  const first = candidates.find(({ to }) => entered.includes(to))
  return [first, atOnce].flatMap((edge) => (edge ? [edge.id] : []))
}

/** The state one stands in after entering a box. */
function getInitialDescendant(layout: ChartLayout, id: string): string {
  const first = layout.nodes.find(({ parent, initial }) => parent === id && initial)
  return first ? getInitialDescendant(layout, first.id) : id
}
