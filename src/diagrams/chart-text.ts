import type { ChartState } from './chart-layout.ts'

export interface ChartTextOptions {
  /** The ids of the states that are lit: `activeNodes`. */
  readonly active?: readonly string[]
  /** Whether lit states are set in bold, for a terminal that can. */
  readonly bold?: boolean
}

const MAX_LINE_LENGTH = 100

/**
 * The chart for a terminal: a line a state, as a tree under each axis. Lit states have a filled dot and say what
 * they mean; what is not lit stays folded, and says how many states it holds.
 */
export function renderChartText(
  chart: { readonly nodes: readonly ChartState[] },
  { active = [], bold = false }: ChartTextOptions = {},
): string {
  const lit = new Set(active)
  const line = (node: ChartState, depth: number): string => {
    const on = lit.has(node.id)
    const folded = on ? 0 : getChildren(chart.nodes, node).length
    const words = `${on ? '●' : '○'} ${node.key}`
    const more = on ? node.description : folded > 0 ? `(${folded} states)` : ''
    const indent = '  '.repeat(depth)
    const rest = more === '' ? '' : `  ${more}`.slice(0, MAX_LINE_LENGTH - indent.length - words.length)
    return `${indent}${on && bold ? `\u001b[1m${words}\u001b[22m` : words}${rest}`
  }
  const branch = (node: ChartState, depth: number): string[] => [
    line(node, depth),
    ...(lit.has(node.id) ? getChildren(chart.nodes, node).flatMap((child) => branch(child, depth + 1)) : []),
  ]
  const regions = chart.nodes
    .filter(({ kind }) => kind === 'region')
    .map((region) =>
      [region.key, ...getChildren(chart.nodes, region).flatMap((child) => branch(child, 1))].join('\n'),
    )
  return `${regions.join('\n\n')}\n`
}

const getChildren = (nodes: readonly ChartState[], { id }: ChartState): ChartState[] =>
  nodes.filter(({ parent }) => parent === id)
