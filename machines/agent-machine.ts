import { agentSetup, initialContext } from './agent-actions.ts'
import { connection } from './connection.ts'
import { license } from './license.ts'
import { registration } from './registration.ts'
import { reservation } from './reservation-region.ts'

/**
 * State machine of a device's licensing agent (XState 5). The machine is pure: it has no clock and no I/O, and every
 * event carries its instant. License, registration, reservation and connection are parallel regions.
 *
 * The states of the `license` region are the seven license states of the Status document.
 */
export const agentMachine = agentSetup.createMachine({
  id: 'smart-agent',
  type: 'parallel',
  context: ({ input }) => initialContext(input.at, input.periods),
  states: {
    registration: { ...registration, meta: { label: 'Registration' } },
    license: { ...license, meta: { label: 'License' } },
    reservation: { ...reservation, meta: { label: 'Reservation' } },
    connection: { ...connection, meta: { label: 'Connection' } },
  },
})

/** Guards and actions of the machine, for a machine that was created from its exported configuration. */
export const implementations = agentMachine.implementations
