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
  lost,
  listNotices,
  register,
  registerAccepted,
  listRequests,
  T0,
  tick,
  used,
} from './events.ts'

/**
 * The chart against the field's own transition table (agent-behavior §2): from, event, to, and what else
 * happens. Rows about reservation, clusters and a disabled agent are not the chart's yet, or not at all.
 */

const inEvaluation: Event[] = [used]
const waiting: Event[] = [used, register(1), registerAccepted(1)]
const authorized: Event[] = [...waiting, authorizeAccepted(1)]
const short: Event[] = [...waiting, authorizeAccepted(1, false)]
const expired: Event[] = [...authorized, tick(91)]

interface Row {
  readonly name: string
  readonly given: readonly Event[]
  readonly event: Event
  /** The state word, the path of the registration axis. */
  readonly to: readonly [string, string]
  readonly also?: (after: AgentSnapshot, commands: readonly Command[], before: AgentSnapshot) => void
}

const rows: Row[] = [
  {
    name: 'not registered: usage is counted, the evaluation runs',
    given: [],
    event: used,
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(listRequests(commands)).toEqual([])
    },
  },
  {
    name: 'R-EVAL-4: evaluation with no seconds left: only license management, still not registered',
    given: inEvaluation,
    event: tick(90, 90 * 86_400),
    to: ['unregistered', 'unregistered.idle'],
    also: (_, commands) => {
      expect(listNotices(commands)).toEqual(['EVAL_EXPIRED'])
    },
  },
  {
    name: 'not registered: a token is given, the request goes out',
    given: inEvaluation,
    event: register(1),
    to: ['evaluation', 'registering.requesting'],
    also: (_, commands) => {
      expect(listRequests(commands)).toEqual(['register'])
    },
  },
  {
    name: 'registration accepted: the evaluation goes on until the authorization is answered too',
    given: [used, register(1)],
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
    name: 'first authorization: the evaluation stands still; 30 days to the next, the deadline is the answer’s',
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
    name: 'registering, no answer: tried again, the evaluation is where it was',
    given: [used, register(1)],
    event: { type: 'register.unreachable', at: at(1), ...lost },
    to: ['evaluation', 'registering.retrying'],
    also: ({ context }, commands) => {
      expect(context.registering?.nextAttemptAt).toBeGreaterThan(at(1))
      expect(listNotices(commands)).toEqual(['AGENT_REG_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'registering, refused: failed, the text is kept, the token is not tried again',
    given: [used, register(1)],
    event: { type: 'register.refused', at: at(1), failure, ended: false },
    to: ['evaluation', 'unregistered.failed'],
    also: ({ context }, commands) => {
      expect(context.registrationFailure).toMatchObject(failure)
      expect(listRequests(commands)).toEqual([])
      expect(context.registering).toBeNull()
    },
  },
  {
    name: 'registered: a second registration without force is not for the chart',
    given: authorized,
    event: register(2),
    to: ['authorized', 'registered.current'],
    also: (_after, commands, before) => {
      expect(commands).toEqual([])
      expect(canHandle(before, register(2))).toBe(false)
    },
  },
  {
    name: 'registered: with force the request goes out, the old certificate is kept until the new one arrives',
    given: authorized,
    event: register(2, { force: true }),
    to: ['authorized', 'registered.reregistering.requesting'],
    also: ({ context }, commands) => {
      expect(listRequests(commands)).toEqual(['register'])
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'registered again: a new instance, authorized anew',
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
    name: 'registered again, refused: the old registration stays',
    given: [...authorized, register(2, { force: true })],
    event: { type: 'register.refused', at: at(2), failure, ended: false },
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.registration?.instanceId).toBe('instance of day 1')
      expect(context.registrationFailure).toMatchObject(failure)
    },
  },
  {
    name: 'authorized, too few licenses: out of compliance since now, polled every 12 hours',
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
    name: 'out of compliance, polled: its beginning does not move',
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
    name: 'registered, usage changes: reported soon, the answered state stays meanwhile',
    given: authorized,
    event: { type: 'usage.changed', at: at(5), tag: 'HOST', count: 9 },
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.usage.reportAt).toBe(at(5) + defaultPeriods.usageReportDelay)
    },
  },
  {
    name: 'authorized, no answer: the same state and deadline, an attempt that failed, one to come',
    given: [...authorized, tick(31)],
    event: { type: 'authorize.unreachable', at: at(31), ...lost },
    to: ['authorized', 'registered.current'],
    also: ({ context }, commands, before) => {
      expect(context.authorization.deadlineAt).toBe(before.context.authorization.deadlineAt)
      expect(context.authorization.last).toMatchObject({ outcome: 'failed', reason: failure })
      expect(context.authorization.nextAttemptAt).toBeGreaterThan(at(31))
      expect(listNotices(commands).sort()).toEqual(['AUTH_RENEW_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'a second failure of the same outage: AUTH_RENEW_FAILED again, COMM_FAILED not',
    given: [...authorized, tick(31), { type: 'authorize.unreachable', at: at(31), ...lost }, tick(32)],
    event: { type: 'authorize.unreachable', at: at(32), ...lost },
    to: ['authorized', 'registered.current'],
    also: (_, commands) => {
      expect(listNotices(commands)).toEqual(['AUTH_RENEW_FAILED'])
    },
  },
  {
    name: 'R-AUTH-3: past the deadline: authorization expired',
    given: authorized,
    event: tick(91),
    to: ['auth-expired', 'registered.current'],
    also: (_, commands) => {
      expect(listNotices(commands)).toContain('AUTHORIZATION_EXPIRED')
    },
  },
  {
    name: 'authorization expired, one success: authorized, without registering again',
    given: expired,
    event: authorizeAccepted(92),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'authorization expired, a success with too few: out of compliance at once',
    given: expired,
    event: authorizeAccepted(92, false),
    to: ['out-of-compliance', 'registered.current'],
  },
  {
    name: 'renewal accepted: a new end by the certificate, the next renewal after 180 days',
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
    name: 'renewal not answered: registered as before, the failure and its next attempt are kept',
    given: [...authorized, { type: 'registration.renew', at: at(20) }],
    event: { type: 'renew.unreachable', at: at(20), ...lost },
    to: ['authorized', 'registered.renewal-retrying'],
    also: ({ context }, commands) => {
      expect(context.renewal.last).toMatchObject({ outcome: 'failed', reason: failure })
      expect(context.renewal.nextAt).toBeGreaterThan(at(20))
      expect(listNotices(commands)).toContain('ID_CERT_RENEW_FAILED')
    },
  },
  {
    name: 'R-REG-6: past the certificate’s end: not registered, what is left of the evaluation',
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
    name: 'past the certificate’s end with the evaluation spent: unregistered',
    given: [tick(90, 90 * 86_400), register(91), registerAccepted(91), authorizeAccepted(91)],
    event: tick(456),
    to: ['unregistered', 'unregistered.expired'],
  },
  {
    name: 'R-REG-5: deregistering, answered: not registered, the evaluation resumes',
    given: [...authorized, { type: 'deregister', at: at(9) }],
    event: { type: 'deregister.accepted', at: at(9) },
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(listNotices(commands)).toContain('AGENT_DEREG_SUCCESS')
    },
  },
  {
    name: 'R-REG-5: deregistering, not answered: not registered all the same, and said',
    given: [...authorized, { type: 'deregister', at: at(9) }],
    event: { type: 'deregister.unreachable', at: at(9), ...lost },
    to: ['evaluation', 'unregistered.idle'],
    also: (_, commands) => {
      expect(listNotices(commands)).toContain('AGENT_DEREG_FAILED')
      expect(listRequests(commands)).toEqual([])
    },
  },
  {
    name: 'not registered: deregistering is not for the chart',
    given: inEvaluation,
    event: { type: 'deregister', at: at(1) },
    to: ['evaluation', 'unregistered.idle'],
    also: (_after, _commands, before) => {
      expect(canHandle(before, { type: 'deregister', at: at(1) })).toBe(false)
    },
  },
  {
    name: 'removed at the authority: the registration ends here too, with what is left of the evaluation',
    given: [...authorized, tick(31)],
    event: { type: 'authorize.refused', at: at(31), failure, ended: true },
    to: ['evaluation', 'unregistered.failed'],
  },
]

describe('the field’s transition table', () => {
  it.each(rows.map((row) => [row.name, row] as const))('%s', (_, { given, event, to, also }) => {
    const { snapshot } = runEvents(given)
    const { snapshot: after, commands } = transition(snapshot, event)
    expect([getLicenseState(after.value), toRegionPath(after.value.registration)]).toEqual(to)
    also?.(after, commands, snapshot)
  })
})

describe('the chart is pure', () => {
  it('the same position and event give the same step, and change nothing they were given', () => {
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
