import { agentMachine, type Region, REGIONS } from '../../../machines/index.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import { agentChartLayout } from '../../diagrams/agent-chart.ts'
import {
  findActiveNodes,
  type ChartLayout,
  type ChartMove,
  type ActiveStates,
  findTraversedEdges,
} from '../../diagrams/chart-layout.ts'
import { listChartStates } from '../../diagrams/chart-states.ts'
import { type ChartSvgOptions, renderChartSvg } from '../../diagrams/chart-svg.ts'
import { renderChartText } from '../../diagrams/chart-text.ts'

/** Number of history rows searched for the last transition. */
export const ROWS_FOR_CHART = 100

const parseActiveStates = (json: string): ActiveStates => JSON.parse(json) as ActiveStates

/** Finds the newest row whose event changed the state. */
const findLastMove = (rows: readonly HistoryRow[]): HistoryRow | undefined =>
  rows.findLast(({ before, after }) => before !== after)

const toMove = ({ event, before, after }: HistoryRow): ChartMove => ({
  event,
  before: parseActiveStates(before),
  after: parseActiveStates(after),
})

/** Renders the agent's state machine as SVG and highlights the current states, taken from the newest history row. */
export function renderCurrentChartSvg(rows: readonly HistoryRow[], region: Region | undefined): string {
  const layout = agentChartLayout
  return renderChartSvg(layout, { standalone: true, region, ...getHighlights(layout, rows) })
}

function getHighlights(
  layout: ChartLayout,
  rows: readonly HistoryRow[],
): Pick<ChartSvgOptions, 'active' | 'traversed'> {
  const [newest, move] = [rows.at(-1), findLastMove(rows)]
  return {
    active: newest ? findActiveNodes(parseActiveStates(newest.after), layout) : [],
    traversed: move ? findTraversedEdges(toMove(move), layout) : [],
  }
}

/** Renders the agent's state machine as text with its current states, and the last transition with event and time. */
export function renderCurrentChartText(rows: readonly HistoryRow[], options: { bold: boolean }): string {
  const nodes = listChartStates(agentMachine)
  const [newest, move] = [rows.at(-1), findLastMove(rows)]
  const active = newest ? findActiveNodes(parseActiveStates(newest.after), { nodes }) : []
  const last = move ? `last transition: ${formatMove(move)}\n` : ''
  return `${renderChartText({ nodes }, { active, ...options })}\n${last}`
}

/** Formats a row as `2027-01-01T00:00:00.000Z  register.accepted: license evaluation → registered.requesting`. */
function formatMove(row: HistoryRow): string {
  const { event, before, after } = toMove(row)
  const changed = REGIONS.filter((region) => before[region] !== after[region])
  const moves = changed.map((region) => `${region} ${String(before[region])} → ${String(after[region])}`)
  return `${new Date(row.at).toISOString()}  ${event}: ${moves.join(', ')}`
}
