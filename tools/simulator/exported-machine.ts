import { isDeepStrictEqual } from 'node:util'
import { createMachine, transition } from 'xstate'
import { type AgentSnapshot, type Event, exportConfig, implementations } from '../../machines/index.ts'

/** Machine that another tool makes from the exported configuration. */
const machine = createMachine(JSON.parse(JSON.stringify(exportConfig())) as never).provide(
  implementations as never,
)

/** Checks that the exported machine, run by XState's own `transition()`, takes the same transition as the agent. */
export function takesSameTransition(before: AgentSnapshot, event: Event, after: AgentSnapshot): boolean {
  const snapshot = machine.resolveState({ value: before.value, context: before.context as never } as never)
  const [next] = transition(machine, snapshot as never, event as never)
  return isDeepStrictEqual(next.value, after.value) && isDeepStrictEqual(next.context, after.context)
}
