import { agentMachine } from '../../../machines/index.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import {
  findActiveNodes,
  type ChartLayout,
  type ChartMove,
  type ActiveStates,
  traversedEdges,
} from '../../diagrams/chart-layout.ts'
import { listChartStates } from '../../diagrams/chart-states.ts'
import { renderChartSvg } from '../../diagrams/chart-svg.ts'
import { renderChartText } from '../../diagrams/chart-text.ts'
import { layoutChart } from '../../diagrams/layout.ts'

/** How many rows of the history are looked at for the last move. */
export const ROWS_FOR_CHART = 100

const parseActiveStates = (json: string): ActiveStates => JSON.parse(json) as ActiveStates

/** The newest row in which the chart moved. */
const findLastMove = (rows: readonly HistoryRow[]): HistoryRow | undefined =>
  rows.findLast(({ before, after }) => before !== after)

const toMove = ({ event, before, after }: HistoryRow): ChartMove => ({
  event,
  before: parseActiveStates(before),
  after: parseActiveStates(after),
})

/** The agent's chart as an SVG file; lit where the newest row of a box's history says that it stands. */
export async function renderCurrentChartSvg(rows: readonly HistoryRow[]): Promise<string> {
  const layout = await layoutChart(agentMachine)
  return renderChartSvg(layout, { standalone: true, ...getHighlights(layout, rows) })
}

function getHighlights(layout: ChartLayout, rows: readonly HistoryRow[]) {
  const [here, move] = [rows.at(-1), findLastMove(rows)]
  return {
    active: here ? findActiveNodes(parseActiveStates(here.after), layout) : [],
    taken: move ? traversedEdges(toMove(move), layout) : [],
  }
}

/** The agent's chart as text, lit in the same way, and the last move with its cause and its time. */
export function renderCurrentChartText(rows: readonly HistoryRow[], options: { bold: boolean }): string {
  const nodes = listChartStates(agentMachine)
  const [here, move] = [rows.at(-1), findLastMove(rows)]
  const active = here ? findActiveNodes(parseActiveStates(here.after), { nodes }) : []
  const last = move ? `last move: ${formatMove(move)}\n` : ''
  return `${renderChartText({ nodes }, { active, ...options })}\n${last}`
}

/** `2027-01-01T00:00:00.000Z  register.accepted: license evaluation → registered.requesting` */
function formatMove(row: HistoryRow): string {
  const { event, before, after } = toMove(row)
  const moved = ['registration', 'license', 'link'].filter((axis) => before[axis] !== after[axis])
  const moves = moved.map((axis) => `${axis} ${String(before[axis])} → ${String(after[axis])}`)
  return `${new Date(row.at).toISOString()}  ${event}: ${moves.join(', ')}`
}
