import type { ChartState } from './chart-layout.ts'

export interface ChartTextOptions {
  /** Ids of the active states, from `findActiveNodes`. */
  readonly active?: readonly string[]
  /** True to print active states in bold, for a terminal that supports it. */
  readonly bold?: boolean
}

const MAX_LINE_LENGTH = 100

/**
 * Renders a machine for a terminal, as a tree of states for each region. Active states have a filled dot and their
 * description. An inactive state shows only the number of its child states.
 */
export function renderChartText(
  chart: { readonly nodes: readonly ChartState[] },
  { active = [], bold = false }: ChartTextOptions = {},
): string {
  const activeIds = new Set(active)
  const line = (node: ChartState, depth: number): string => {
    const isActive = activeIds.has(node.id)
    const hiddenStates = isActive ? 0 : getChildren(chart.nodes, node).length
    const label = `${isActive ? '●' : '○'} ${node.key}`
    const more = isActive ? node.description : hiddenStates > 0 ? `(${hiddenStates} states)` : ''
    const indent = '  '.repeat(depth)
    const rest = more === '' ? '' : `  ${more}`.slice(0, MAX_LINE_LENGTH - indent.length - label.length)
    return `${indent}${isActive && bold ? `\u001b[1m${label}\u001b[22m` : label}${rest}`
  }
  const branch = (node: ChartState, depth: number): string[] => [
    line(node, depth),
    ...(activeIds.has(node.id)
      ? getChildren(chart.nodes, node).flatMap((child) => branch(child, depth + 1))
      : []),
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
