import { describe, expect, it } from 'vitest'
import {
  axisPath,
  begin,
  can,
  type Command,
  defaultPeriods,
  type Event,
  type Position,
  stateWord,
  step,
} from '../../machines/index.ts'
import {
  answered,
  at,
  failure,
  live,
  lost,
  notices,
  register,
  registered,
  requests,
  T0,
  tick,
  used,
} from './events.ts'

/**
 * The chart against the field's own transition table (agent-behaviour §2): from, event, to, and what else
 * happens. Rows about reservation, clusters and a disabled agent are not the chart's yet, or not at all.
 */

const inEvaluation: Event[] = [used]
const waiting: Event[] = [used, register(1), registered(1)]
const authorized: Event[] = [...waiting, answered(1)]
const short: Event[] = [...waiting, answered(1, false)]
const expired: Event[] = [...authorized, tick(91)]

interface Row {
  readonly name: string
  readonly given: readonly Event[]
  readonly event: Event
  /** The state word, the path of the registration axis. */
  readonly to: readonly [string, string]
  readonly also?: (after: Position, commands: readonly Command[], before: Position) => void
}

const rows: Row[] = [
  {
    name: 'not registered: usage is counted, the evaluation runs',
    given: [],
    event: used,
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(requests(commands)).toEqual([])
    },
  },
  {
    name: 'R-EVAL-4: evaluation with no seconds left: only licence management, still not registered',
    given: inEvaluation,
    event: tick(90, 90 * 86_400),
    to: ['unregistered', 'unregistered.idle'],
    also: (_, commands) => {
      expect(notices(commands)).toEqual(['EVAL_EXPIRED'])
    },
  },
  {
    name: 'not registered: a token is given, the request goes out',
    given: inEvaluation,
    event: register(1),
    to: ['evaluation', 'registering.asking'],
    also: (_, commands) => {
      expect(requests(commands)).toEqual(['register'])
    },
  },
  {
    name: 'registration accepted: the evaluation goes on until the authorization is answered too',
    given: [used, register(1)],
    event: registered(1),
    to: ['registered', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(requests(commands)).toEqual(['authorize'])
      expect(notices(commands)).toContain('AGENT_REG_SUCCESS')
      expect(context.renewal.nextAt).toBe(at(181))
    },
  },
  {
    name: 'first authorization: the evaluation stands still; 30 days to the next, the deadline is the answer’s',
    given: waiting,
    event: answered(1),
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
      expect(notices(commands)).toEqual(['AGENT_REG_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'registering, refused: failed, the text is kept, the token is not tried again',
    given: [used, register(1)],
    event: { type: 'register.refused', at: at(1), failure, ended: false },
    to: ['evaluation', 'unregistered.failed'],
    also: ({ context }, commands) => {
      expect(context.registrationFailure).toMatchObject(failure)
      expect(requests(commands)).toEqual([])
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
      expect(can(before, register(2))).toBe(false)
    },
  },
  {
    name: 'registered: with force the request goes out, the old certificate is kept until the new one arrives',
    given: authorized,
    event: register(2, { force: true }),
    to: ['authorized', 'registered.reregistering.asking'],
    also: ({ context }, commands) => {
      expect(requests(commands)).toEqual(['register'])
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'registered again: a new instance, authorized anew',
    given: [...authorized, register(2, { force: true })],
    event: registered(2),
    to: ['registered', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.registration?.instanceId).toBe('instance of day 2')
      expect(requests(commands)).toEqual(['authorize'])
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
    name: 'authorized, too few licences: out of compliance since now, polled every 12 hours',
    given: authorized,
    event: answered(31, false),
    to: ['out-of-compliance', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.authorization.since).toBe(at(31))
      expect(context.authorization.nextAttemptAt).toBe(at(31.5))
      expect(notices(commands)).toContain('OUT_OF_COMPLIANCE')
    },
  },
  {
    name: 'out of compliance, polled: its beginning does not move',
    given: [...short, tick(1.5)],
    event: answered(1.5, false),
    to: ['out-of-compliance', 'registered.current'],
    also: ({ context }, commands) => {
      expect(context.authorization.since).toBe(at(1))
      expect(context.authorization.nextAttemptAt).toBe(at(2))
      expect(notices(commands)).not.toContain('OUT_OF_COMPLIANCE')
    },
  },
  {
    name: 'out of compliance, enough again: authorized',
    given: [...short, tick(1.5)],
    event: answered(1.5),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.authorization.since).toBe(at(1.5))
    },
  },
  {
    name: 'registered, usage changes: reported soon, the answered state stays meanwhile',
    given: authorized,
    event: { type: 'USAGE', at: at(5), tag: 'HOST', count: 9 },
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.usage.reportAt).toBe(at(5) + defaultPeriods.usageReport)
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
      expect(notices(commands).sort()).toEqual(['AUTH_RENEW_FAILED', 'COMM_FAILED'])
    },
  },
  {
    name: 'a second failure of the same outage: AUTH_RENEW_FAILED again, COMM_FAILED not',
    given: [...authorized, tick(31), { type: 'authorize.unreachable', at: at(31), ...lost }, tick(32)],
    event: { type: 'authorize.unreachable', at: at(32), ...lost },
    to: ['authorized', 'registered.current'],
    also: (_, commands) => {
      expect(notices(commands)).toEqual(['AUTH_RENEW_FAILED'])
    },
  },
  {
    name: 'R-AUTH-3: past the deadline: authorization expired',
    given: authorized,
    event: tick(91),
    to: ['auth-expired', 'registered.current'],
    also: (_, commands) => {
      expect(notices(commands)).toContain('AUTHORIZATION_EXPIRED')
    },
  },
  {
    name: 'authorization expired, one success: authorized, without registering again',
    given: expired,
    event: answered(92),
    to: ['authorized', 'registered.current'],
    also: ({ context }) => {
      expect(context.registration?.instanceId).toBe('instance of day 1')
    },
  },
  {
    name: 'authorization expired, a success with too few: out of compliance at once',
    given: expired,
    event: answered(92, false),
    to: ['out-of-compliance', 'registered.current'],
  },
  {
    name: 'renewal accepted: a new end by the certificate, the next renewal after 180 days',
    given: [...authorized, { type: 'RENEW_REGISTRATION', at: at(100) }],
    event: { type: 'renew.accepted', at: at(100), expiresAt: at(465) },
    to: ['authorized', 'registered.acknowledging'],
    also: ({ context }, commands) => {
      expect(context.registration?.expiresAt).toBe(at(465))
      expect(context.renewal).toMatchObject({ nextAt: at(280), last: { outcome: 'succeeded' } })
      expect(requests(commands)).toEqual(['acknowledge'])
    },
  },
  {
    name: 'renewal not answered: registered as before, the failure and its next attempt are kept',
    given: [...authorized, { type: 'RENEW_REGISTRATION', at: at(20) }],
    event: { type: 'renew.unreachable', at: at(20), ...lost },
    to: ['authorized', 'registered.renewal-retrying'],
    also: ({ context }, commands) => {
      expect(context.renewal.last).toMatchObject({ outcome: 'failed', reason: failure })
      expect(context.renewal.nextAt).toBeGreaterThan(at(20))
      expect(notices(commands)).toContain('ID_CERT_RENEW_FAILED')
    },
  },
  {
    name: 'R-REG-6: past the certificate’s end: not registered, what is left of the evaluation',
    given: authorized,
    event: tick(366),
    to: ['evaluation', 'unregistered.expired'],
    also: ({ context }, commands) => {
      expect(context.evaluation).toEqual({ remainingSeconds: 90 * 86_400, running: true })
      expect(notices(commands)).toContain('ID_CERT_EXPIRED')
      expect(context.registrationFailure?.code).toBe('REGISTRATION_EXPIRED')
    },
  },
  {
    name: 'past the certificate’s end with the evaluation spent: unregistered',
    given: [tick(90, 90 * 86_400), register(91), registered(91), answered(91)],
    event: tick(456),
    to: ['unregistered', 'unregistered.expired'],
  },
  {
    name: 'R-REG-5: deregistering, answered: not registered, the evaluation resumes',
    given: [...authorized, { type: 'DEREGISTER', at: at(9) }],
    event: { type: 'deregister.accepted', at: at(9) },
    to: ['evaluation', 'unregistered.idle'],
    also: ({ context }, commands) => {
      expect(context.evaluation.running).toBe(true)
      expect(notices(commands)).toContain('AGENT_DEREG_SUCCESS')
    },
  },
  {
    name: 'R-REG-5: deregistering, not answered: not registered all the same, and said',
    given: [...authorized, { type: 'DEREGISTER', at: at(9) }],
    event: { type: 'deregister.unreachable', at: at(9), ...lost },
    to: ['evaluation', 'unregistered.idle'],
    also: (_, commands) => {
      expect(notices(commands)).toContain('AGENT_DEREG_FAILED')
      expect(requests(commands)).toEqual([])
    },
  },
  {
    name: 'not registered: deregistering is not for the chart',
    given: inEvaluation,
    event: { type: 'DEREGISTER', at: at(1) },
    to: ['evaluation', 'unregistered.idle'],
    also: (_after, _commands, before) => {
      expect(can(before, { type: 'DEREGISTER', at: at(1) })).toBe(false)
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
    const { position } = live(given)
    const { position: after, commands } = step(position, event)
    expect([stateWord(after.value), axisPath(after.value.registration)]).toEqual(to)
    also?.(after, commands, position)
  })
})

describe('the chart is pure', () => {
  it('the same position and event give the same step, and change nothing they were given', () => {
    let { position } = begin(T0)
    for (const event of [...authorized, tick(31)]) {
      const frozen = JSON.stringify(position)
      const [first, second] = [step(position, event), step(position, event)]
      expect(first).toEqual(second)
      expect(JSON.stringify(position)).toBe(frozen)
      ;({ position } = first)
    }
  })
})
