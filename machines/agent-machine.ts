import { agentSetup, initialContext } from './agent-setup.ts'
import { license } from './license.ts'
import { connection } from './connection.ts'
import { registration } from './registration.ts'

/**
 * State machine of a device's licensing agent (XState 5). The machine is pure: it has no clock and no I/O, and every
 * event carries its instant. Registration, license and connection to the authority are parallel regions.
 *
 * The states of the `license` region are the seven license states of the Status document.
 */
export const agentMachine = agentSetup.createMachine({
  id: 'smart-agent',
  type: 'parallel',
  context: ({ input }) => initialContext(input.at, input.periods),
  states: { registration, license, link: connection },
})
