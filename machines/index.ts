/** The statecharts, pure: for embedding, testing, drawing and replaying. */
export * from './deadlines.ts'
export { describeStates, drawMermaid, type DrawOptions } from './draw.ts'
export { freshContext } from './chart.ts'
export { covered, reservedCount, uncovered, uncoveredWords } from './reservation.ts'
export { smartAgent } from './smart-agent.ts'
export type * from './smart-agent-types.ts'
export * from './step.ts'
