import { createActor, type ExecutableActionsFrom } from 'xstate'
import { agentMachine } from './agent-machine.ts'
import type { Event } from './agent-machine.types.ts'

/** XState snapshot of the agent machine, which has tags, metadata and `can()`. */
export type MachineSnapshot = ReturnType<typeof agentMachine.resolveState>
export type MachineAction = ExecutableActionsFrom<typeof agentMachine>

const noop = () => undefined
const actor = createActor(agentMachine, { input: { at: 0 } })
/**
 * Scope that all transitions share. The machine has no child actors and no delays, and its emitted notices are among
 * the collected actions.
 */
const sharedScope = {
  self: actor,
  system: actor.system,
  id: '',
  sessionId: '',
  logger: noop,
  defer: noop,
  emit: noop,
  stopChild: noop,
}

/**
 * Applies an event to an XState snapshot, and returns the next snapshot with the actions to execute. The result is that
 * of XState's `transition()`, which creates an actor with an initial snapshot for each event and needs more than twice
 * the time (docs/decisions/0025-the-chart-as-data.md).
 */
export function runMacrostep(snapshot: MachineSnapshot, event: Event): [MachineSnapshot, MachineAction[]] {
  const actions: MachineAction[] = []
  const scope = {
    ...sharedScope,
    actionExecutor: (action: unknown) => {
      actions.push(action as MachineAction)
    },
  } as unknown as Parameters<typeof agentMachine.transition>[2]
  return [agentMachine.transition(snapshot, event, scope), actions]
}
