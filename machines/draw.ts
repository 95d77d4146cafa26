/** A state of a chart, as XState describes it: what the drawing needs of it. */
interface DrawnNode {
  readonly id: string
  readonly key: string
  readonly type: string
  readonly path: readonly string[]
  readonly description?: string | undefined
  readonly states: Readonly<Record<string, DrawnNode>>
  readonly initial?: { readonly target: readonly { readonly id: string }[] | undefined } | undefined
  readonly transitions: Map<string, readonly DrawnTransition[]>
}
interface DrawnTransition {
  readonly target?: readonly DrawnNode[] | undefined
  readonly guard?: unknown
}

/** A state's path as a name Mermaid takes. */
const name = (node: DrawnNode): string => node.path.map((part) => part.replaceAll('-', '_')).join('__')

const guardName = (guard: unknown): string => (typeof guard === 'string' ? ` [${guard}]` : '')

/**
 * The chart as a Mermaid state diagram: a drawing of the definition that runs, never of another. Each axis of
 * a parallel chart is a composite state of its own; several causes of one move share its arrow.
 */
export function drawMermaid(machine: { readonly root: unknown }): string {
  const root = machine.root as DrawnNode
  const lines = ['stateDiagram-v2']
  const arrows = new Map<string, string[]>()
  const draw = (node: DrawnNode, indent: string) => {
    const children = Object.values(node.states)
    for (const child of children) {
      if (Object.keys(child.states).length > 0) {
        lines.push(`${indent}state "${child.key}" as ${name(child)} {`)
        const [first] = child.initial?.target ?? []
        const initial = first && Object.values(child.states).find(({ id }) => id === first.id)
        if (initial) lines.push(`${indent}  [*] --> ${name(initial)}`)
        draw(child, `${indent}  `)
        lines.push(`${indent}}`)
      } else lines.push(`${indent}state "${child.key}" as ${name(child)}`)
      collect(child)
    }
  }
  const collect = (node: DrawnNode) => {
    for (const [event, transitions] of node.transitions) {
      for (const { target, guard } of transitions) {
        const [to] = target ?? []
        if (!to) continue
        const arrow = `${name(node)} --> ${name(to)}`
        arrows.set(arrow, [...(arrows.get(arrow) ?? []), `${event}${guardName(guard)}`])
      }
    }
  }
  draw(root, '  ')
  for (const [arrow, causes] of arrows) lines.push(`  ${arrow} : ${[...new Set(causes)].join(', ')}`)
  return `${lines.join('\n')}\n`
}
