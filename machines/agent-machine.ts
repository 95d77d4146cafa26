import { agentSetup, initialContext } from './agent-setup.ts'
import { license } from './license.ts'
import { connection } from './connection.ts'
import { registration } from './registration.ts'

/**
 * The licensing agent of a box, as a pure statechart (XState 5): no clock, no I/O, every event carries
 * its instant. Registration and authorization are two axes that stand beside each other, as the field
 * draws them, and the link to the authority is a third.
 *
 * The `license` axis holds the seven words of the Status document as its own states.
 */
export const agentMachine = agentSetup.createMachine({
  id: 'smart-agent',
  type: 'parallel',
  context: ({ input }) => initialContext(input.periods, input.at),
  states: { registration, license, link: connection },
})
