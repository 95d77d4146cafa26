/** A state of a chart, as XState describes it: what the drawing needs of it. */
interface DrawnNode {
  readonly id: string
  readonly key: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, DrawnNode>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly DrawnTransition[]>
  /** Taken at once, whatever the event was, when their guard holds. */
  readonly always?: readonly DrawnTransition[] | undefined
}
interface DrawnTransition {
  readonly target?: readonly DrawnNode[] | undefined
  readonly guard?: unknown
}

export interface DrawOptions {
  /** One axis of a parallel chart; all of them unless named. */
  readonly axis?: string
  /** How deep states are told apart, an axis's own states being 1; all the way unless given. */
  readonly depth?: number
}

/** A state's path as a name Mermaid takes. */
const name = (path: readonly string[]): string => path.map((part) => part.replaceAll('-', '_')).join('__')

const guardName = (guard: unknown): string => (typeof guard === 'string' ? ` [${guard}]` : '')

const childrenOf = (node: DrawnNode): DrawnNode[] => Object.values(node.states)

/**
 * The chart as a Mermaid state diagram: a drawing of the definition that runs, never of another. Each axis of
 * a parallel chart is a composite state of its own; several causes of one move share its arrow.
 */
export function drawMermaid(machine: { readonly root: unknown }, options: DrawOptions = {}): string {
  const root = machine.root as DrawnNode
  const deepest = (options.depth ?? Infinity) + 1
  const lines = ['stateDiagram-v2']
  const draw = (node: DrawnNode, indent: string) => {
    const children = node.path.length < deepest ? childrenOf(node) : []
    if (children.length === 0) {
      lines.push(`${indent}state "${node.key}" as ${name(node.path)}`)
      return
    }
    lines.push(`${indent}state "${node.key}" as ${name(node.path)} {`)
    drawInside(node, children, `${indent}  `)
    lines.push(`${indent}}`)
  }
  const drawInside = (node: DrawnNode, children: readonly DrawnNode[], indent: string) => {
    const first = node.initial?.target?.[0]
    const initial = children.find(({ id }) => id === first?.id)
    if (initial) lines.push(`${indent}[*] --> ${name(initial.path)}`)
    for (const child of children) draw(child, indent)
  }
  const axes = childrenOf(root).filter(({ key }) => options.axis === undefined || key === options.axis)
  const [only] = axes
  if (only && axes.length === 1) drawInside(only, childrenOf(only), '  ')
  else for (const axis of axes) draw(axis, '  ')
  for (const [arrow, causes] of arrowsOf(axes, deepest))
    lines.push(`  ${arrow} : ${[...causes].join('<br/>')}`)
  return `${lines.join('\n')}\n`
}

/** Every move between two drawn states, with its causes; what happens inside one of them is left out. */
function arrowsOf(axes: readonly DrawnNode[], deepest: number): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>()
  const collect = (node: DrawnNode) => {
    for (const [event, transitions] of [...node.transitions, ['always', node.always ?? []] as const]) {
      for (const { target, guard } of transitions) {
        const [to] = target ?? []
        if (!to) continue
        const [from, into] = [name(node.path.slice(0, deepest)), name(to.path.slice(0, deepest))]
        if (from === into && to.path.length > deepest) continue
        const arrow = `${from} --> ${into}`
        arrows.set(arrow, (arrows.get(arrow) ?? new Set()).add(`${event}${guardName(guard)}`))
      }
    }
    childrenOf(node).forEach(collect)
  }
  axes.forEach(collect)
  return arrows
}

/** What each state of a chart means, outermost first: path below the root, and its description. */
export function describeStates(machine: { readonly root: unknown }): { path: string; meaning: string }[] {
  const list = (node: DrawnNode): { path: string; meaning: string }[] => [
    ...(node.description === undefined ? [] : [{ path: node.path.join('.'), meaning: node.description }]),
    ...childrenOf(node).flatMap(list),
  ]
  return list(machine.root as DrawnNode)
}
