/** A state of a chart, as XState describes it: what the drawing needs of it. */
interface StateNode {
  readonly id: string
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, StateNode>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly StateTransition[]>
  /** Taken at once, whatever the event was, when their guard holds. */
  readonly always?: readonly StateTransition[] | undefined
}
interface StateTransition {
  readonly target?: readonly StateNode[] | undefined
  readonly guard?: unknown
}

export interface MermaidOptions {
  /** One axis of a parallel chart; all of them unless named. */
  readonly region?: string
  /** How deep states are told apart, an axis's own states being 1; all the way unless given. */
  readonly depth?: number
}

/** A state's path as a name Mermaid takes. */
const toMermaidId = (path: readonly string[]): string =>
  path.map((part) => part.replaceAll('-', '_')).join('__')

const formatGuard = (guard: unknown): string => (typeof guard === 'string' ? ` [${guard}]` : '')

const getChildren = (node: StateNode): StateNode[] => Object.values(node.states)

/**
 * The chart as a Mermaid state diagram: a drawing of the definition that runs, never of another. Each axis of
 * a parallel chart is a composite state of its own; several causes of one move share its arrow.
 */
export function toMermaid(machine: { readonly root: unknown }, options: MermaidOptions = {}): string {
  const root = machine.root as StateNode
  const deepest = (options.depth ?? Infinity) + 1
  const lines = ['stateDiagram-v2']
  const draw = (node: StateNode, indent: string) => {
    const children = node.path.length < deepest ? getChildren(node) : []
    if (children.length === 0) {
      lines.push(`${indent}state "${node.key}" as ${toMermaidId(node.path)}`)
      return
    }
    lines.push(`${indent}state "${node.key}" as ${toMermaidId(node.path)} {`)
    drawInside(node, children, `${indent}  `)
    lines.push(`${indent}}`)
  }
  const drawInside = (node: StateNode, children: readonly StateNode[], indent: string) => {
    const first = node.initial?.target?.[0]
    const initial = children.find(({ id }) => id === first?.id)
    if (initial) lines.push(`${indent}[*] --> ${toMermaidId(initial.path)}`)
    for (const child of children) draw(child, indent)
  }
  const regions = getChildren(root).filter(
    ({ key }) => options.region === undefined || key === options.region,
  )
  const [only] = regions
  if (only && regions.length === 1) drawInside(only, getChildren(only), '  ')
  else for (const region of regions) draw(region, '  ')
  for (const [arrow, causes] of collectArrows(regions, deepest))
    lines.push(`  ${arrow} : ${[...causes].join('<br/>')}`)
  return `${lines.join('\n')}\n`
}

/** Every move between two drawn states, with its causes; what happens inside one of them is left out. */
function collectArrows(regions: readonly StateNode[], deepest: number): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>()
  const collect = (node: StateNode) => {
    for (const [event, transitions] of [...node.transitions, ['always', node.always ?? []] as const]) {
      for (const { target, guard } of transitions) {
        const [to] = target ?? []
        if (!to) continue
        const [from, into] = [
          toMermaidId(node.path.slice(0, deepest)),
          toMermaidId(to.path.slice(0, deepest)),
        ]
        if (from === into && to.path.length > deepest) continue
        const arrow = `${from} --> ${into}`
        arrows.set(arrow, (arrows.get(arrow) ?? new Set()).add(`${event}${formatGuard(guard)}`))
      }
    }
    getChildren(node).forEach(collect)
  }
  regions.forEach(collect)
  return arrows
}

/** What each state of a chart means, outermost first: path below the root, and its description. */
export function listStateDescriptions(machine: {
  readonly root: unknown
}): { path: string; meaning: string }[] {
  const list = (node: StateNode): { path: string; meaning: string }[] => [
    ...(node.description === undefined ? [] : [{ path: node.path.join('.'), meaning: node.description }]),
    ...getChildren(node).flatMap(list),
  ]
  return list(machine.root as StateNode)
}
