import { describe, expect, it } from 'vitest'
import {
  toRegionPath,
  initialTransition,
  canHandle,
  type Command,
  defaultPeriods,
  type Event,
  type AgentSnapshot,
  getLicenseState,
  transition,
} from '../../machines/index.ts'
import {
  authorizeAccepted,
  at,
  failure,
  runEvents,
  unreachableFields,
  listNotices,
  register,
  registerAccepted,
  listRequests,
  T0,
  tick,
  usageChanged,
} from './events.ts'

/**
 * Machine checked against the transition table of Cisco Smart Licensing: given state, event, next state, and further
 * effects. Rows about clusters and a disabled agent do not apply.
 */

const inEvaluation: Event[] = [usageChanged]
const waiting: Event[] = [usageChanged, register(1), registerAccepted(1)]
const authorized: Event[] = [...waiting, authorizeAccepted(1)]
const short: Event[] = [...waiting, authorizeAccepted(1, false)]
const expired: Event[] = [...authorized, tick(91)]

interface Row {
  readonly name: string
  readonly given: readonly Event[]
  readonly event: Event
  /** Expected license state and path of the registration region. */
  readonly to: readonly [string, string]
  readonly also?: (after: AgentSnapshot, commands: readonly Command[], before: AgentSnapshot) => void
}

const rows: Row[] = [
  {
    name: 'not registered, usage: the usage is counted while the evaluation runs',
    given: [],
    event: usageChanged,
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(listRequests(commands)).toEqual([])
    },
  },
  {
    name: 'R-EVAL-4: evaluation, no seconds left: only license management, still not registered',
    given: inEvaluation,
    event: tick(90, 90 * 86_400),
    to: ['unregistered', 'unregistered.idle'],
    also: (_, commands) => {
      expect(listNotices(commands)).toEqual(['EVAL_EXPIRED'])
    },
  },
  {
    name: 'not registered, token entered: the registration request is sent',
    given: inEvaluation,
    event: register(1),
    to: ['evaluation', 'registering.requesting'],
    also: (_, commands) => {
      expect(listRequests(commands)).toEqual(['register'])
    },
  },
  {
    name: 'registration accepted: the evaluation continues until the first authorization',
    given: [usageChanged, register(1)],
    event: registerAccepted(1),
    to: ['registered', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(listRequests(commands)).toEqual(['authorize'])
      expect(listNotices(commands)).toContain('AGENT_REG_SUCCESS')
      expect(context.renewal.nextAt).toBe(at(181))
    },
  },
  {
    name: 'first authorization: the evaluation stops, the next authorization is in 30 days, the deadline comes from the answer',
    given: waiting,
    event: authorizeAccepted(1),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.evaluation.running).toBe(false)
      expect(context.authorization.nextAttemptAt).toBe(at(31))
      expect(context.authorization.deadlineAt).toBe(at(91) - 5 * 60_000)
    },
  },
  {
    name: 'registering, no answer: retried, the evaluation is unchanged',
    given: [usageChanged, register(1)],
    event: { type: 'register.unreachable', at: at(1), ...unreachableFields },
    to: ['evaluation', 'registering.retrying'],
    also: ({ context }, commands) => {
      expect(context.registering?.nextAttemptAt).toBeGreaterThan(at(1))
      expect(listNotices(commands)).toEqual(['AGENT_REG_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'registering, refused: failed, the reason is kept, the token is not retried',
    given: [usageChanged, register(1)],
    event: { type: 'register.refused', at: at(1), failure, consequence: 'none' },
    to: ['evaluation', 'unregistered.failed'],
    also: ({ context }, commands) => {
      expect(context.registrationFailure).toMatchObject(failure)
      expect(listRequests(commands)).toEqual([])
      expect(context.registering).toBeNull()
    },
  },
  {
    name: 'registered, second registration without force: not handled',
    given: authorized,
    event: register(2),
    to: ['authorized', 'registered.current'],
    also: (_after, commands, before) => {
      expect(commands).toEqual([])
      expect(canHandle(before, register(2))).toBe(false)
    },
  },
  {
    name: 'registered, registration with force: the request is sent, the old certificate stays until the new one arrives',
    given: authorized,
    event: register(2, { force: true }),
    to: ['authorized', 'registered.reregistering.requesting'],
    also: ({ context }, commands) => {
      expect(listRequests(commands)).toEqual(['register'])
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'registered again: a new product instance, a new authorization',
    given: [...authorized, register(2, { force: true })],
    event: registerAccepted(2),
    to: ['registered', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.registration?.instanceId).toBe('instance of day 2')
      expect(listRequests(commands)).toEqual(['authorize'])
      expect(context.usage.counts).toEqual({ HOST: 3 })
    },
  },
  {
    name: 'registered again, refused: the previous registration stays',
    given: [...authorized, register(2, { force: true })],
    event: { type: 'register.refused', at: at(2), failure, consequence: 'none' },
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.registration?.instanceId).toBe('instance of day 1')
      expect(context.registrationFailure).toMatchObject(failure)
    },
  },
  {
    name: 'authorized, too few licenses: out of compliance from now, polled every 12 hours',
    given: authorized,
    event: authorizeAccepted(31, false),
    to: ['out-of-compliance', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.authorization.since).toBe(at(31))
      expect(context.authorization.nextAttemptAt).toBe(at(31.5))
      expect(listNotices(commands)).toContain('OUT_OF_COMPLIANCE')
    },
  },
  {
    name: 'out of compliance, polled: the start of the state does not change',
    given: [...short, tick(1.5)],
    event: authorizeAccepted(1.5, false),
    to: ['out-of-compliance', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.authorization.since).toBe(at(1))
      expect(context.authorization.nextAttemptAt).toBe(at(2))
      expect(listNotices(commands)).not.toContain('OUT_OF_COMPLIANCE')
    },
  },
  {
    name: 'out of compliance, enough again: authorized',
    given: [...short, tick(1.5)],
    event: authorizeAccepted(1.5),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.authorization.since).toBe(at(1.5))
    },
  },
  {
    name: 'registered, usage changes: reported soon, the state stays until the answer',
    given: authorized,
    event: { type: 'usage.changed', at: at(5), tag: 'HOST', count: 9 },
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.usage.reportAt).toBe(at(5) + defaultPeriods.usageReportDelay)
    },
  },
  {
    name: 'authorized, no answer: same state and deadline, a failed attempt and a scheduled one',
    given: [...authorized, tick(31)],
    event: { type: 'authorize.unreachable', at: at(31), ...unreachableFields },
    to: ['authorized', 'registered.current'],
    also: ({ context }, commands, before) => {
      expect(context.authorization.deadlineAt).toBe(before.context.authorization.deadlineAt)
      expect(context.authorization.last).toMatchObject({ outcome: 'failed', reason: failure })
      expect(context.authorization.nextAttemptAt).toBeGreaterThan(at(31))
      expect(listNotices(commands).sort()).toEqual(['AUTH_RENEW_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'authorized, second failure in one outage: AUTH_RENEW_FAILED again, but not COMM_FAILED',
    given: [
      ...authorized,
      tick(31),
      { type: 'authorize.unreachable', at: at(31), ...unreachableFields },
      tick(32),
    ],
    event: { type: 'authorize.unreachable', at: at(32), ...unreachableFields },
    to: ['authorized', 'registered.current'],
    also: (_, commands) => {
      expect(listNotices(commands)).toEqual(['AUTH_RENEW_FAILED'])
    },
  },
  {
    name: 'R-AUTH-3: authorized, deadline passed: authorization expired',
    given: authorized,
    event: tick(91),
    to: ['auth-expired', 'registered.current'],
    also: (_, commands) => {
      expect(listNotices(commands)).toContain('AUTHORIZATION_EXPIRED')
    },
  },
  {
    name: 'authorization expired, one success: authorized without registering again',
    given: expired,
    event: authorizeAccepted(92),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'authorization expired, success with too few licenses: immediately out of compliance',
    given: expired,
    event: authorizeAccepted(92, false),
    to: ['out-of-compliance', 'registered.current'],
  },
  {
    name: 'renewal accepted: a new expiry from the certificate, the next renewal after 180 days',
    given: [...authorized, { type: 'registration.renew', at: at(100) }],
    event: { type: 'renew.accepted', at: at(100), expiresAt: at(465) },
    to: ['authorized', 'registered.acknowledging'],
    also: ({ context }, commands) => {
      expect(context.registration?.expiresAt).toBe(at(465))
      expect(context.renewal).toMatchObject({ nextAt: at(280), last: { outcome: 'succeeded' } })
      expect(listRequests(commands)).toEqual(['acknowledge'])
    },
  },
  {
    name: 'renewal not answered: still registered, the failure and the next attempt are kept',
    given: [...authorized, { type: 'registration.renew', at: at(20) }],
    event: { type: 'renew.unreachable', at: at(20), ...unreachableFields },
    to: ['authorized', 'registered.renewal-retrying'],
    also: ({ context }, commands) => {
      expect(context.renewal.last).toMatchObject({ outcome: 'failed', reason: failure })
      expect(context.renewal.nextAt).toBeGreaterThan(at(20))
      expect(listNotices(commands)).toContain('ID_CERT_RENEW_FAILED')
    },
  },
  {
    name: 'R-REG-6: certificate expired: not registered, the remaining evaluation resumes',
    given: authorized,
    event: tick(366),
    to: ['evaluation', 'unregistered.expired'],
    also: ({ context }, commands) => {
      expect(context.evaluation).toEqual({ remainingSeconds: 90 * 86_400, running: true })
      expect(listNotices(commands)).toContain('ID_CERT_EXPIRED')
      expect(context.registrationFailure?.code).toBe('REGISTRATION_EXPIRED')
    },
  },
  {
    name: 'certificate expired with the evaluation used up: unregistered',
    given: [tick(90, 90 * 86_400), register(91), registerAccepted(91), authorizeAccepted(91)],
    event: tick(456),
    to: ['unregistered', 'unregistered.expired'],
  },
  {
    name: 'R-REG-5: deregistering, accepted: not registered, the evaluation resumes',
    given: [...authorized, { type: 'registration.end', at: at(9) }],
    event: { type: 'deregister.accepted', at: at(9) },
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(listNotices(commands)).toContain('AGENT_DEREG_SUCCESS')
    },
  },
  {
    name: 'R-REG-5: deregistering, no answer: not registered either, with a notice',
    given: [...authorized, { type: 'registration.end', at: at(9) }],
    event: { type: 'deregister.unreachable', at: at(9), ...unreachableFields },
    to: ['evaluation', 'unregistered.idle'],
    also: (_, commands) => {
      expect(listNotices(commands)).toContain('AGENT_DEREG_FAILED')
      expect(listRequests(commands)).toEqual([])
    },
  },
  {
    name: 'not registered, deregistration: not handled',
    given: inEvaluation,
    event: { type: 'registration.end', at: at(1) },
    to: ['evaluation', 'unregistered.idle'],
    also: (_after, _commands, before) => {
      expect(canHandle(before, { type: 'registration.end', at: at(1) })).toBe(false)
    },
  },
  {
    name: 'removed at the authority: the registration ends, the remaining evaluation resumes',
    given: [...authorized, tick(31)],
    event: { type: 'authorize.refused', at: at(31), failure, consequence: 'end' },
    to: ['evaluation', 'unregistered.failed'],
  },
]

describe('the transition table of Cisco Smart Licensing', () => {
  it.each(rows.map((row) => [row.name, row] as const))('%s', (_, { given, event, to, also }) => {
    const { snapshot } = runEvents(given)
    const { snapshot: after, commands } = transition(snapshot, event)
    expect([getLicenseState(after.value), toRegionPath(after.value.registration)]).toEqual(to)
    also?.(after, commands, snapshot)
  })
})

describe('the agent machine', () => {
  it('returns equal results for equal snapshots and events, and does not change its arguments', () => {
    let { snapshot } = initialTransition(T0)
    for (const event of [...authorized, tick(31)]) {
      const frozen = JSON.stringify(snapshot)
      const [first, second] = [transition(snapshot, event), transition(snapshot, event)]
      expect(first).toEqual(second)
      expect(JSON.stringify(snapshot)).toBe(frozen)
      ;({ snapshot } = first)
    }
  })
})
