import { describe, expect, it } from 'vitest'
import { listNodes } from './nodes.ts'

interface Node {
  readonly id: string
  readonly description?: string | undefined
  readonly states: Record<string, Node>
}
describe('state machine', () => {
  // Import inside the test, so that a machine that cannot be created fails the test.
  it.each(['agentMachine', 'satelliteSyncMachine'] as const)(
    '%s can be created, and has a description for each state',
    async (name) => {
      const machine = (await import('../../machines/index.ts'))[name]
      const states = listNodes<Node>(machine.root).slice(1)
      expect(states.length).toBeGreaterThan(5)
      // A region needs no description of its own.
      const regions =
        machine.root.type === 'parallel' ? Object.values(machine.root.states).map(({ id }) => id) : []
      expect(
        states
          .filter(({ id, description = '' }) => !description.includes(' ') && !regions.includes(id))
          .map(({ id }) => id),
      ).toEqual([])
    },
  )
})
