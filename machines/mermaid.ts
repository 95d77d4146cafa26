/** State node of XState, with only the properties that the diagram needs. */
interface StateNode {
  readonly id: string
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, StateNode>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly StateTransition[]>
  /** Eventless transitions, which XState takes as soon as their guards hold. */
  readonly always?: readonly StateTransition[] | undefined
}
interface StateTransition {
  readonly target?: readonly StateNode[] | undefined
  readonly guard?: unknown
  readonly meta?: unknown
}

export interface MermaidOptions {
  /** Name of the region to draw. Default: all regions. */
  readonly region?: string
  /** Number of state levels to draw; a region's own states are level 1. Default: all levels. */
  readonly depth?: number
  /** True to name transitions by their labels for people, and not by event and guard. Default: false. */
  readonly labels?: boolean
}

/** Converts a state's path to a valid Mermaid identifier. */
const toMermaidId = (path: readonly string[]): string =>
  path.map((part) => part.replaceAll('-', '_')).join('__')

const formatGuard = (guard: unknown): string => (typeof guard === 'string' ? ` [${guard}]` : '')

const readLabel = (meta: unknown): string | null =>
  typeof meta === 'object' && meta !== null && 'label' in meta && typeof meta.label === 'string'
    ? meta.label
    : null

const hasMoves = ({ transitions }: StateNode): boolean =>
  [...transitions.values()].some((candidates) => candidates.some(({ target }) => target !== undefined))

const getChildren = (node: StateNode): StateNode[] => Object.values(node.states)

/**
 * Renders a machine definition as a Mermaid state diagram. Each region of a parallel machine is a composite state.
 * Transitions between the same two states share one arrow.
 */
export function toMermaid(machine: { readonly root: unknown }, options: MermaidOptions = {}): string {
  const root = machine.root as StateNode
  const maxDepth = (options.depth ?? Infinity) + 1
  const lines = ['stateDiagram-v2']
  const draw = (node: StateNode, indent: string) => {
    const children = node.path.length < maxDepth ? getChildren(node) : []
    if (children.length === 0) {
      lines.push(`${indent}state "${node.key}" as ${toMermaidId(node.path)}`)
      return
    }
    lines.push(`${indent}state "${node.key}" as ${toMermaidId(node.path)} {`)
    drawChildren(node, children, `${indent}  `)
    lines.push(`${indent}}`)
  }
  const drawChildren = (node: StateNode, children: readonly StateNode[], indent: string) => {
    const first = node.initial?.target?.[0]
    const initial = children.find(({ id }) => id === first?.id)
    if (initial) lines.push(`${indent}[*] --> ${toMermaidId(initial.path)}`)
    for (const child of children) draw(child, indent)
  }
  const regions = getChildren(root).filter(
    ({ key }) => options.region === undefined || key === options.region,
  )
  const [only] = regions
  // Arrows of the region itself need its frame.
  if (only && regions.length === 1 && !hasMoves(only)) drawChildren(only, getChildren(only), '  ')
  else for (const region of regions) draw(region, '  ')
  for (const [arrow, causes] of collectArrows(regions, maxDepth, options.labels ?? false))
    lines.push(`  ${arrow} : ${[...causes].join('<br/>')}`)
  return `${lines.join('\n')}\n`
}

/** Collects the transitions between drawn states, with their events. Transitions inside a drawn state are omitted. */
function collectArrows(
  regions: readonly StateNode[],
  maxDepth: number,
  hasLabels: boolean,
): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>()
  const collect = (node: StateNode) => {
    for (const [event, transitions] of [...node.transitions, ['always', node.always ?? []] as const]) {
      for (const { target, guard, meta } of transitions) {
        const [to] = target ?? []
        if (!to) continue
        const [fromId, toId] = [
          toMermaidId(node.path.slice(0, maxDepth)),
          toMermaidId(to.path.slice(0, maxDepth)),
        ]
        if (fromId === toId && to.path.length > maxDepth) continue
        const arrow = `${fromId} --> ${toId}`
        const label = hasLabels ? readLabel(meta) : null
        arrows.set(arrow, (arrows.get(arrow) ?? new Set()).add(label ?? `${event}${formatGuard(guard)}`))
      }
    }
    getChildren(node).forEach(collect)
  }
  regions.forEach(collect)
  return arrows
}

/** Lists the described states of a machine, outermost first, with their path below the root. */
export function listStateDescriptions(machine: {
  readonly root: unknown
}): { path: string; meaning: string }[] {
  const list = (node: StateNode): { path: string; meaning: string }[] => [
    ...(node.description === undefined ? [] : [{ path: node.path.join('.'), meaning: node.description }]),
    ...getChildren(node).flatMap(list),
  ]
  return list(machine.root as StateNode)
}
