import type { AgentSnapshot } from '../../machines/transition.ts'

/** Transition to assert: the snapshot before it, its event, and the states after it. */
export interface TestedTransition {
  readonly snapshot: AgentSnapshot
  readonly event: { readonly type: string; readonly at: number; readonly [name: string]: unknown }
  readonly after: {
    readonly state: string
    readonly license: string
    readonly registration: string
    readonly reservation: string
    readonly connection: string
  }
  readonly notices: readonly string[]
}

/** Writes a test file that asserts one transition of the machine, for vitest. */
export function toTransitionTest({ snapshot, event, after, notices }: TestedTransition): string {
  return `import { getLicenseState, toRegionPath, transition } from 'smart-licensing-agent/machines'
import { expect, it } from 'vitest'

/** Snapshot before the event, without codes and keys. */
const before: Parameters<typeof transition>[0] = ${JSON.stringify(snapshot, null, 2)}

const event: Parameters<typeof transition>[1] = ${JSON.stringify(event, null, 2)}

it('is ${after.state} after ${event.type}', () => {
  const { snapshot, commands } = transition(before, event)
  const { value } = snapshot
  expect(getLicenseState(value)).toBe('${after.state}')
  expect(toRegionPath(value.license)).toBe('${after.license}')
  expect(toRegionPath(value.registration)).toBe('${after.registration}')
  expect(value.reservation).toBe('${after.reservation}')
  expect(value.connection).toBe('${after.connection}')
  const notices = commands.flatMap((command) => (command.type === 'notice' ? [command.params.notice] : []))
  expect(notices).toEqual(expect.arrayContaining(${JSON.stringify(notices)}))
})
`
}
