import { type AgentSnapshot, REGIONS, type Region, toRegionPath } from '../../machines/index.ts'
import { agentChartLayout } from './agent-chart.ts'
import { findActiveNodes } from './chart-layout.ts'
import { renderChartSvg } from './chart-svg.ts'

export interface SvgOptions {
  /** Snapshot whose active states are highlighted. Default: none. */
  readonly snapshot?: Pick<AgentSnapshot, 'value'>
  /** Region to draw. Default: all regions. */
  readonly region?: Region
}

/** Draws the agent machine as a standalone SVG image, in the colors that the viewer prefers. */
export function toSvg({ snapshot, region }: SvgOptions = {}): string {
  const active =
    snapshot &&
    findActiveNodes(
      Object.fromEntries(REGIONS.map((name) => [name, toRegionPath(snapshot.value[name])])),
      agentChartLayout,
    )
  return renderChartSvg(agentChartLayout, { standalone: true, region, ...(active && { active }) })
}
