import { smartAgent } from '../../../machines/index.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import {
  activeNodes,
  type ChartLayout,
  type ChartMove,
  type ChartStanding,
  takenEdges,
} from '../../diagrams/chart-layout.ts'
import { chartStates } from '../../diagrams/chart-states.ts'
import { chartSvg } from '../../diagrams/chart-svg.ts'
import { chartText } from '../../diagrams/chart-text.ts'
import { layOutChart } from '../../diagrams/layout.ts'

/** How many rows of the history are looked at for the last move. */
export const ROWS_FOR_CHART = 100

const standing = (json: string): ChartStanding => JSON.parse(json) as ChartStanding

/** The newest row in which the chart moved. */
const lastMove = (rows: readonly HistoryRow[]): HistoryRow | undefined =>
  rows.findLast(({ before, after }) => before !== after)

const moveOf = ({ event, before, after }: HistoryRow): ChartMove => ({
  event,
  before: standing(before),
  after: standing(after),
})

/** The agent's chart as an SVG file; lit where the newest row of a box's history says that it stands. */
export async function boxSvg(rows: readonly HistoryRow[]): Promise<string> {
  const layout = await layOutChart(smartAgent)
  return chartSvg(layout, { standalone: true, ...lights(layout, rows) })
}

function lights(layout: ChartLayout, rows: readonly HistoryRow[]) {
  const [here, move] = [rows.at(-1), lastMove(rows)]
  return {
    active: here ? activeNodes(standing(here.after), layout) : [],
    taken: move ? takenEdges(moveOf(move), layout) : [],
  }
}

/** The agent's chart as text, lit in the same way, and the last move with its cause and its time. */
export function boxChart(rows: readonly HistoryRow[], options: { bold: boolean }): string {
  const nodes = chartStates(smartAgent)
  const [here, move] = [rows.at(-1), lastMove(rows)]
  const active = here ? activeNodes(standing(here.after), { nodes }) : []
  const last = move ? `last move: ${moveText(move)}\n` : ''
  return `${chartText({ nodes }, { active, ...options })}\n${last}`
}

/** `2027-01-01T00:00:00.000Z  register.accepted: license evaluation → registered.asking` */
function moveText(row: HistoryRow): string {
  const { event, before, after } = moveOf(row)
  const moved = ['registration', 'license', 'link'].filter((axis) => before[axis] !== after[axis])
  const moves = moved.map((axis) => `${axis} ${String(before[axis])} → ${String(after[axis])}`)
  return `${new Date(row.at).toISOString()}  ${event}: ${moves.join(', ')}`
}
