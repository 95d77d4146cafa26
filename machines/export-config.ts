import type { Context } from './agent-context.ts'
import { initialContext } from './agent-actions.ts'
import { agentMachine } from './agent-machine.ts'

/** Configuration of the agent machine as plain data, which XState's `createMachine` and Stately's import accept. */
export interface MachineConfigJson {
  readonly id: string
  readonly type: 'parallel'
  /** Context of a device that is installed on January 1, 1970. Replace it with `initialContext(at)`. */
  readonly context: Context
  readonly states: Readonly<Record<string, unknown>>
}

/**
 * Exports the configuration of the agent machine as data. Guards and actions are names, which `implementations` holds:
 * `createMachine(config).provide(implementations)` has the same transitions as `agentMachine`.
 *
 * @throws TypeError for a part of the configuration that is not data, such as a function
 */
export function exportConfig(): MachineConfigJson {
  const { id = 'smart-agent', states } = agentMachine.config
  return {
    id,
    type: 'parallel',
    context: initialContext(0),
    states: toData(states, 'states') as MachineConfigJson['states'],
  }
}

/** Copies data. JSON would drop functions silently, and a tool that reads it would run another machine. */
function toData(value: unknown, path: string): unknown {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value
  if (Array.isArray(value)) return value.map((item, i) => toData(item, `${path}[${i}]`))
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype)
    throw new TypeError(`the configuration of the machine is not data at ${path}`)
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, toData(inner, `${path}.${key}`)]),
  )
}
