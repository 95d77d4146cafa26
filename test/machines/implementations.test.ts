import { describe, expect, it } from 'vitest'
import { listNodes } from './nodes.ts'

interface Node {
  readonly id: string
  readonly description?: string | undefined
  readonly states: Record<string, Node>
}
describe('the charts', () => {
  // Loaded here, so that a chart that cannot be made is a test that fails.
  it.each(['agentMachine', 'satelliteSyncMachine'] as const)(
    '%s is made, and says of each state what it is',
    async (name) => {
      const chart = (await import('../../machines/index.ts'))[name]
      const states = listNodes<Node>(chart.root).slice(1)
      expect(states.length).toBeGreaterThan(5)
      // An axis is explained by what is on it.
      const axes = chart.root.type === 'parallel' ? Object.values(chart.root.states).map(({ id }) => id) : []
      expect(
        states
          .filter(({ id, description = '' }) => !description.includes(' ') && !axes.includes(id))
          .map(({ id }) => id),
      ).toEqual([])
    },
  )
})
