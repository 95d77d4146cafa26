import layout from './agent-layout.json' with { type: 'json' }
import type { ChartLayout } from './chart-layout.ts'

/** Layout of the agent machine, computed by `npm run docs`. A test compares it with the machine. */
export const agentChartLayout = layout as unknown as ChartLayout
