import {
  type Command,
  defaultPeriods,
  type Event,
  initialTransition,
  type Periods,
  transition,
  type TransitionResult,
} from '../../machines/index.ts'

/** Events of a device, dated in days since its installation, and helpers that list the commands of a transition. */

const DAY = 24 * 3_600_000
export const T0 = Date.parse('2027-01-01T00:00:00Z')
export const failure = { code: 'TOKEN_EXPIRED', message: 'The token expired.', remedy: 'Get another.' }
export const unreachableFields = { failure, jitter: 0.5, retryAfter: null }

export const at = (days: number) => T0 + days * DAY
type Answer = Extract<Event, { type: 'authorize.accepted' }>
export const tick = (days: number, used = 0): Event => ({ type: 'clock.tick', at: at(days), used })
export const register = (days: number, { force = false, again = false } = {}): Event => ({
  type: 'registration.start',
  at: at(days),
  force,
  again,
})
export const registerAccepted = (days: number, exportControlled = false): Event => ({
  type: 'register.accepted',
  at: at(days),
  registration: {
    instanceId: `instance of day ${days}`,
    smartAccount: 'acme.example',
    virtualAccount: 'Default',
    exportControlled,
    registeredAt: at(days),
    expiresAt: at(days + 365) - 5 * 60_000,
  },
})
export const authorizeAccepted = (days: number, compliant = true, more: Partial<Answer> = {}): Event => ({
  type: 'authorize.accepted',
  at: at(days),
  counts: { HOST: 3 },
  compliant,
  entitlements: [],
  deadlineAt: at(days + 90) - 5 * 60_000,
  nextContactAt: null,
  smartAccount: 'acme.example',
  virtualAccount: 'Default',
  ...more,
})
export const usageChanged: Event = { type: 'usage.changed', at: at(0), tag: 'HOST', count: 3 }

export const listRequests = (commands: readonly Command[]) =>
  commands.flatMap((command) => (command.type === 'request' ? [command.params.kind] : []))
export const listNotices = (commands: readonly Command[]) =>
  commands.flatMap((command) => (command.type === 'notice' ? [command.params.notice] : []))

/** Runs events from the installation on. Returns the result of the last one. */
export function runEvents(events: readonly Event[], periods: Periods = defaultPeriods): TransitionResult {
  let last = initialTransition(T0, periods)
  for (const event of events) last = transition(last.snapshot, event)
  return last
}
