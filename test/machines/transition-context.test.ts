import { describe, expect, it } from 'vitest'
import {
  toRegionPath,
  initialTransition,
  canHandle,
  type Command,
  defaultPeriods,
  type Event,
  isFullyFunctional,
  type InstalledAuthorization,
  nextDeadline,
  toMachineSnapshot,
  RETRY_DELAYS_MS,
  MIN_RETRY_DELAY_MS,
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

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const registered: Event[] = [usageChanged, register(1), registerAccepted(1)]
const authorized: Event[] = [...registered, authorizeAccepted(1)]

/** Returns the notices of a transition with their details. */
const listDetails = (commands: readonly Command[], notice: string) =>
  commands.flatMap((command) =>
    command.type === 'notice' && command.params.notice === notice ? [command.params.detail] : [],
  )
const contextAfter = (...events: Event[]) => runEvents(events).snapshot.context
/** Returns the retry delay after a number of failures, with a jitter of 0.5. */
const delayAfter = (failures: number) =>
  MIN_RETRY_DELAY_MS + Math.floor(0.5 * ((RETRY_DELAYS_MS[failures - 1] ?? 0) - MIN_RETRY_DELAY_MS))
const refused = (
  type: 'register.refused' | 'authorize.refused' | 'renew.refused',
  days: number,
  overrides = {},
): Event => ({
  type,
  at: at(days),
  failure,
  consequence: 'none',
  ...overrides,
})
const unreachable = (
  type: 'register.unreachable' | 'authorize.unreachable' | 'renew.unreachable' | 'acknowledge.unreachable',
  days: number,
  overrides = {},
): Event => ({ type, at: at(days), ...unreachableFields, ...overrides })
const renew = (days: number): Event => ({ type: 'registration.renew', at: at(days) })
const use = (days: number, count: number): Event => ({
  type: 'usage.changed',
  at: at(days),
  tag: 'HOST',
  count,
})

const entitlement = (tag: string, status: 'in-compliance' | 'out-of-compliance' | 'invalid-tag') => ({
  tag,
  name: `${tag} License`,
  description: '',
  count: 1,
  status,
})

describe('a notice', () => {
  it('warns before the evaluation ends, in days down to one day', () => {
    const { commands } = runEvents([tick(1, 59 * 86_400 + 1), tick(2, 31 * 86_400 - 10)])
    expect(listDetails(commands, 'EVAL_EXPIRED_WARNING')).toEqual([
      '30 days are left',
      '14 days are left',
      '7 days are left',
      '3 days are left',
      '1 day is left',
    ])
    expect(listDetails(runEvents([tick(1, 60 * 86_400)]).commands, 'EVAL_EXPIRED_WARNING')).toEqual([
      '30 days are left',
    ])
  })

  it('names each tag unknown to the authority, once per answer', () => {
    const answer = authorizeAccepted(1, true, {
      entitlements: [
        entitlement('NEW', 'invalid-tag'),
        entitlement('HOST', 'in-compliance'),
        entitlement('OLD', 'invalid-tag'),
        entitlement('CALL', 'out-of-compliance'),
      ],
    })
    const { snapshot, commands } = runEvents([...registered, answer])
    expect(listDetails(commands, 'INVALID_TAG')).toEqual(['NEW', 'OLD'])
    expect(commands.filter(({ type }) => type !== 'notice' && type !== 'request')).toEqual([])
    expect(listDetails(transition(snapshot, { ...answer, at: at(31) }).commands, 'INVALID_TAG')).toEqual([
      'NEW',
      'OLD',
    ])
  })

  it('R-EVAL-2 names the version that a product was upgraded to', () => {
    const { snapshot, commands } = runEvents([
      usageChanged,
      tick(5, 5 * 86_400),
      { type: 'product.upgrade', at: at(5), version: '12', evaluate: true },
    ])
    expect(listDetails(commands, 'PRODUCT_UPGRADED')).toEqual(['12'])
    expect(snapshot.context.evaluation).toEqual({ remainingSeconds: 90 * 86_400, running: true })
  })

  it('R-EVAL-2 names the version of an upgrade that does not change the evaluation', () => {
    const upgrade: Event = { type: 'product.upgrade', at: at(5), version: '12', evaluate: false }
    const running = runEvents([usageChanged, tick(5, 5 * 86_400), upgrade])
    expect(listDetails(running.commands, 'PRODUCT_UPGRADED')).toEqual(['12'])
    expect(running.snapshot.context.evaluation).toEqual({ remainingSeconds: 85 * 86_400, running: true })
    const exhausted = runEvents([usageChanged, tick(90, 90 * 86_400), upgrade])
    expect(listDetails(exhausted.commands, 'PRODUCT_UPGRADED')).toEqual(['12'])
    expect(getLicenseState(exhausted.snapshot.value)).toBe('unregistered')
  })

  it('names the new transport', () => {
    const transport = 'proxy http://proxy.example:3128'
    const { snapshot, commands } = runEvents([
      ...authorized,
      { type: 'transport.changed', at: at(2), transport },
    ])
    expect(listDetails(commands, 'TRANSPORT_CHANGED')).toEqual([transport])
    expect(snapshot.value.connection).toBe('unknown')
  })

  it('contains the message of the failure', () => {
    expect(
      listDetails(
        runEvents([usageChanged, register(1), refused('register.refused', 1)]).commands,
        'AGENT_REG_FAILED',
      ),
    ).toEqual([failure.message])
  })
})

describe('R-EVAL-2 an upgrade starts a new evaluation', () => {
  const upgrade = (days: number): Event => ({
    type: 'product.upgrade',
    at: at(days),
    version: '12',
    evaluate: true,
  })
  const request: Event = { type: 'reservation.request', at: at(6), requestCode: 'code' }
  it.each<[string, Event[], boolean]>([
    ['yes: in evaluation', [], true],
    ['yes: after the evaluation is used up', [tick(90, 90 * 86_400)], true],
    ['no: while a registration is in progress', [register(6)], false],
    ['no: when registered', [register(6), registerAccepted(6)], false],
    ['no: while a reservation is requested', [request], false],
    [
      'yes: after the reservation request was canceled',
      [request, { type: 'reservation.cancel', at: at(6) }],
      true,
    ],
  ])('only without a registration or reservation: %s', (_, given, renewed) => {
    const { snapshot } = runEvents([usageChanged, tick(5, 5 * 86_400), ...given])
    expect(canHandle(snapshot, upgrade(7))).toBe(renewed)
  })
})

describe('a registration', () => {
  it('R-REG-1 does not change the license state if it was not requested', () => {
    expect(
      getLicenseState(transition(runEvents([usageChanged]).snapshot, registerAccepted(1)).snapshot.value),
    ).toBe('evaluation')
    const exhausted = runEvents([usageChanged, tick(90, 90 * 86_400)]).snapshot
    expect(getLicenseState(transition(exhausted, registerAccepted(91)).snapshot.value)).toBe(
      getLicenseState(exhausted.value),
    )
  })

  it('R-REG-4 R-REG-5 clears the previous entitlements at its start and end', () => {
    const withEntitlement = [
      ...registered,
      authorizeAccepted(1, true, { entitlements: [entitlement('HOST', 'in-compliance')] }),
    ]
    expect(contextAfter(...withEntitlement).authorization.entitlements).toHaveLength(1)
    expect(
      contextAfter(...withEntitlement, register(2, { again: true }), registerAccepted(2)).authorization
        .entitlements,
    ).toEqual([])
    const deregistered: Event[] = [
      { type: 'registration.end', at: at(2) },
      { type: 'deregister.accepted', at: at(2) },
    ]
    expect(contextAfter(...withEntitlement, ...deregistered).authorization.entitlements).toEqual([])
  })

  it('R-REG-5 is not in progress after a cancellation, and its failure is cleared', () => {
    const { registering, registrationFailure } = contextAfter(
      ...[usageChanged, register(1), unreachable('register.unreachable', 1)],
      { type: 'registration.end', at: at(2) },
    )
    expect([registering, registrationFailure]).toEqual([null, null])
  })
})

describe('after a failure', () => {
  it('R-AUTH-4 registration attempts are counted, and the delay grows with the count', () => {
    let { snapshot } = runEvents([usageChanged, register(1)])
    for (const failures of [1, 2, 3]) {
      ;({ snapshot } = transition(snapshot, unreachable('register.unreachable', failures)))
      expect(snapshot.context.registering).toEqual({
        force: false,
        failures,
        nextAttemptAt: at(failures) + delayAfter(failures),
      })
      expect(snapshot.context.registrationFailure).toEqual({ ...failure, at: at(failures) })
      ;({ snapshot } = transition(snapshot, tick(failures + 0.5)))
      expect(toRegionPath(snapshot.value.registration)).toBe('registering.requesting')
    }
    const again = transition(snapshot, registerAccepted(4)).snapshot.context
    expect([again.registering, again.registrationFailure]).toEqual([null, null])
  })

  it('R-AUTH-4 renewal attempts are counted and stay before the certificate’s expiry; a success resets the count', () => {
    let { snapshot } = runEvents([...authorized, renew(100)])
    for (const failures of [1, 2, 3]) {
      ;({ snapshot } = transition(snapshot, unreachable('renew.unreachable', 100 + failures)))
      expect(snapshot.context.renewal).toEqual({
        last: { at: at(100 + failures), outcome: 'failed', reason: failure },
        failures,
        nextAt: at(100 + failures) + delayAfter(failures),
      })
      ;({ snapshot } = transition(snapshot, tick(100.5 + failures)))
      expect(toRegionPath(snapshot.value.registration)).toBe('registered.renewing')
    }
    const { renewal } = transition(snapshot, { type: 'renew.accepted', at: at(104), expiresAt: at(469) })
      .snapshot.context
    expect(renewal).toEqual({
      last: { at: at(104), outcome: 'succeeded', reason: null },
      nextAt: at(284),
      failures: 0,
    })
  })

  it('a renewal attempt is made a minute before the certificate expires, whatever Retry-After says', () => {
    const end = 366 - 5 / 1440
    const { renewal } = contextAfter(
      ...authorized,
      renew(365.9),
      unreachable('renew.unreachable', 365.9, { retryAfter: DAY }),
    )
    expect(renewal.nextAt).toBe(at(end) - MINUTE)
  })

  it('a refused renewal is not retried automatically', () => {
    const { renewal } = contextAfter(...authorized, renew(100), refused('renew.refused', 100))
    expect(renewal).toEqual({
      last: { at: at(100), outcome: 'failed', reason: failure },
      nextAt: null,
      failures: 0,
    })
  })

  it('R-AUTH-4 authorization attempts are counted, and the delay grows with the count', () => {
    let { snapshot } = runEvents([...authorized, tick(31)])
    for (const failures of [1, 2, 3]) {
      ;({ snapshot } = transition(snapshot, unreachable('authorize.unreachable', 31 + failures)))
      expect(snapshot.context.authorization).toMatchObject({
        last: { at: at(31 + failures), outcome: 'failed', reason: failure },
        failures,
        nextAttemptAt: at(31 + failures) + delayAfter(failures),
      })
      ;({ snapshot } = transition(snapshot, tick(31.5 + failures)))
    }
    expect(transition(snapshot, authorizeAccepted(35)).snapshot.context.authorization.failures).toBe(0)
  })

  it.each([
    [{}, null],
    [{ consequence: 'none' }, null],
    [{ consequence: 'repeat' }, at(5) + defaultPeriods.outOfComplianceRecheck],
  ])('a refused authorization (%o) has its next attempt at %s', (overrides, nextAttemptAt) => {
    const context = contextAfter(
      ...authorized,
      use(4, 9),
      tick(5),
      refused('authorize.refused', 5, overrides),
    )
    expect(context.authorization).toMatchObject({
      last: { at: at(5), outcome: 'failed', reason: failure },
      nextAttemptAt,
      failures: 0,
      deadlineAt: at(91) - 5 * MINUTE,
    })
    expect(context.usage).toEqual({ counts: { HOST: 9 }, reported: { HOST: 3 }, reportAt: null })
  })

  it('the last connection failure is kept until the transport changes', () => {
    const down = [...authorized, tick(31), unreachable('authorize.unreachable', 31)]
    expect(contextAfter(...down).lastFailure).toEqual({ ...failure, at: at(31) })
    const later = { ...failure, code: 'PROXY_UNREACHABLE' }
    expect(
      contextAfter(...down, tick(32), unreachable('authorize.unreachable', 32, { failure: later }))
        .lastFailure,
    ).toEqual({ ...later, at: at(32) })
    // A success does not clear the last failure.
    expect(contextAfter(...down, tick(32), authorizeAccepted(32)).lastFailure).toEqual({
      ...failure,
      at: at(31),
    })
    expect(
      contextAfter(...down, { type: 'transport.changed', at: at(32), transport: 'direct' }).lastFailure,
    ).toBeNull()
  })

  it('R-AUTH-4 an attempt is due if it waits longer than the longest delay, because the clock was ahead', () => {
    const { snapshot } = runEvents([...authorized, tick(31), unreachable('authorize.unreachable', 31)])
    expect(listRequests(transition(snapshot, tick(30.5)).commands)).toEqual([])
    expect(listRequests(transition(snapshot, tick(29)).commands)).toEqual(['authorize'])
  })

  it('R-REG-6 an expired registration names its product instance', () => {
    expect(contextAfter(...authorized, tick(366)).registrationFailure).toMatchObject({
      at: at(366),
      code: 'REGISTRATION_EXPIRED',
      message: 'The registration of instance of day 1 was not renewed before its ID certificate expired.',
    })
  })
})

describe('a pending retry becomes due immediately', () => {
  const transportChanged = (days: number): Event => ({
    type: 'transport.changed',
    at: at(days),
    transport: 'direct',
  })

  it('for a registration when the transport changes, and never later than scheduled', () => {
    const failedTo = [usageChanged, register(1), unreachable('register.unreachable', 1)]
    const due = at(1) + delayAfter(1)
    expect(contextAfter(...failedTo, transportChanged(1)).registering?.nextAttemptAt).toBe(at(1))
    expect(contextAfter(...failedTo, transportChanged(2)).registering?.nextAttemptAt).toBe(due)
    // A request in progress has no next attempt and gets none.
    expect(contextAfter(usageChanged, register(1), transportChanged(1)).registering?.nextAttemptAt).toBeNull()
  })

  it('for a renewal or authorization when the other one is answered', () => {
    const both = [
      ...authorized,
      renew(31),
      unreachable('renew.unreachable', 31, { retryAfter: DAY }),
      tick(31.01),
      unreachable('authorize.unreachable', 31.01, { retryAfter: DAY }),
    ]
    const before = contextAfter(...both)
    expect(before.renewal.nextAt).toBeGreaterThan(at(31.9))
    expect(before.authorization.nextAttemptAt).toBeGreaterThan(at(31.9))
    const { renewal, authorization } = contextAfter(...both, transportChanged(31.1))
    expect([renewal.nextAt, authorization.nextAttemptAt]).toEqual([at(31.1), at(31.1)])
    const answeredOne = contextAfter(
      ...both,
      { type: 'authorization.renew', at: at(31.2) },
      authorizeAccepted(31.2),
    )
    expect(answeredOne.renewal.nextAt).toBe(at(31.2))
  })

  it('but not for a regular renewal', () => {
    const before = contextAfter(...authorized)
    const { renewal, authorization } = contextAfter(...authorized, transportChanged(2))
    expect([renewal, authorization]).toEqual([before.renewal, before.authorization])
  })
})

describe('R-HOST-9 in a reservation', () => {
  const grant: InstalledAuthorization = {
    reservationId: 'reservation',
    authorityId: 'authority',
    authorityKey: 'key',
    smartAccount: 'acme.example',
    virtualAccount: 'Default',
    epoch: 1,
    sequence: 1,
    issuedAt: at(2),
    installedAt: at(2),
    reservedAt: at(2),
    licenses: [{ tag: 'HOST', name: 'Host License', count: 3, endsAt: at(102), lastWarningSeconds: null }],
    confirmationCode: null,
    knownAt: at(2),
  }
  const requested: Event[] = [
    usageChanged,
    { type: 'reservation.request', at: at(1), requestCode: 'request-1' },
  ]
  const installed: Event[] = [...requested, { type: 'reservation.install', at: at(2), grant }]
  const returning: Event[] = [
    ...installed,
    { type: 'reservation.return-code', at: at(3), returnCode: 'return-1' },
  ]

  it('a request is stored with its number, and clears an earlier failure', () => {
    const context = contextAfter(usageChanged, register(0.5), refused('register.refused', 0.5), ...requested)
    expect(context.reservation).toEqual({
      requests: 1,
      current: { requestCode: 'request-1', requestedAt: at(1), grant: null, returnCode: null },
      returned: [],
    })
    expect(context.registrationFailure).toBeNull()
  })

  it('an authorization is installed, updated and returned', () => {
    const current = { requestCode: 'request-1', requestedAt: at(1), grant, returnCode: null }
    expect(contextAfter(...installed).reservation.current).toEqual(current)
    const more = { ...grant, sequence: 2, confirmationCode: 'confirm-2' }
    expect(
      contextAfter(...installed, { type: 'reservation.update', at: at(2.5), grant: more }).reservation
        .current,
    ).toEqual({ ...current, grant: more })
    expect(contextAfter(...returning).reservation.current).toEqual({ ...current, returnCode: 'return-1' })
    expect(contextAfter(...returning, { type: 'reservation.return', at: at(4) }).reservation).toEqual({
      requests: 1,
      current: null,
      returned: [{ request: 1, reservationId: 'reservation', returnCode: 'return-1', at: at(4) }],
    })
  })

  it('a discarded file is recorded as returned, in addition to earlier ones', () => {
    const discarded = { request: 1, reservationId: 'late', returnCode: 'return-late', at: at(6) }
    const { reservation } = contextAfter(
      ...returning,
      { type: 'reservation.return', at: at(4) },
      { type: 'reservation.discard', at: at(6), returned: discarded },
    )
    expect(reservation.returned.map(({ reservationId }) => reservationId)).toEqual(['reservation', 'late'])
    expect(reservation.returned[1]).toEqual(discarded)
  })

  it('term notices are recorded once before the end, and once at the end', () => {
    const { snapshot, commands } = runEvents([...installed, tick(42)])
    const detail = `3 of HOST, ${new Date(at(102)).toISOString()}`
    expect(listDetails(commands, 'RESERVATION_TERM_WARNING')).toEqual([detail])
    expect(snapshot.context.reservation.current).toMatchObject({
      grant: { licenses: [{ lastWarningSeconds: 60 * 86_400 }] },
    })
    expect(listNotices(transition(snapshot, tick(43)).commands)).toEqual([])
    expect(listDetails(transition(snapshot, tick(102)).commands, 'RESERVATION_TERM_ENDED')).toEqual([detail])
  })

  it('no term notice is recorded while the reservation is being returned', () => {
    const { snapshot } = runEvents(returning)
    const after = transition(snapshot, tick(102))
    expect(listNotices(after.commands)).toEqual([])
    expect(after.snapshot.context.reservation).toEqual(snapshot.context.reservation)
  })

  it('an authorization without a request changes nothing', () => {
    const { snapshot } = runEvents([usageChanged])
    const install: Event = { type: 'reservation.install', at: at(2), grant }
    expect(canHandle(snapshot, install)).toBe(false)
    expect(transition(snapshot, install).snapshot.context).toEqual(snapshot.context)
  })
})

describe('the next deadline', () => {
  const deadlineAfter = (...events: Event[]) => nextDeadline(runEvents(events).snapshot)

  it('is null in evaluation, because the evaluation is counted in seconds of use', () => {
    expect(deadlineAfter()).toBeNull()
    expect(deadlineAfter(usageChanged)).toBeNull()
  })

  it('is the next registration attempt', () => {
    expect(deadlineAfter(usageChanged, register(1))).toBeNull()
    expect(deadlineAfter(usageChanged, register(1), unreachable('register.unreachable', 1))).toBe(
      at(1) + delayAfter(1),
    )
  })

  it('is the certificate’s expiry during the first authorization request, then its next attempt', () => {
    expect(deadlineAfter(...registered, { type: 'registration.renew', at: at(1) })).toBe(at(366) - 5 * MINUTE)
    expect(deadlineAfter(...registered, unreachable('authorize.unreachable', 1))).toBe(at(1) + delayAfter(1))
    expect(deadlineAfter(...registered, refused('authorize.refused', 1, { consequence: 'repeat' }))).toBe(
      at(1.5),
    )
    expect(deadlineAfter(...registered)).toBe(at(181))
  })

  it('is the next authorization, usage report, renewal, or deadline', () => {
    expect(deadlineAfter(...authorized)).toBe(at(31))
    expect(deadlineAfter(...authorized, use(2, 4))).toBe(at(2) + defaultPeriods.usageReportDelay)
    expect(deadlineAfter(...authorized, use(2, 4), { type: 'authorization.renew', at: at(2) })).toBe(
      at(91) - 5 * MINUTE,
    )
    expect(deadlineAfter(...authorized, tick(31), unreachable('authorize.unreachable', 31))).toBe(
      at(31) + delayAfter(1),
    )
    expect(deadlineAfter(...authorized, renew(2), unreachable('renew.unreachable', 2))).toBe(
      at(2) + delayAfter(1),
    )
    expect(deadlineAfter(...authorized, renew(2))).toBe(at(31))
    // After the authorization deadline, the renewal is next.
    expect(deadlineAfter(...authorized, tick(91))).toBe(at(181))
  })

  it('is the next term warning, or the end of a term', () => {
    const licenses = [
      { tag: 'HOST', name: 'Host License', count: 3, endsAt: at(102), lastWarningSeconds: null },
    ]
    const grant = { ...({} as InstalledAuthorization), licenses }
    const installed: Event[] = [
      usageChanged,
      { type: 'reservation.request', at: at(1), requestCode: 'request-1' },
      { type: 'reservation.install', at: at(2), grant },
    ]
    expect(deadlineAfter(...installed)).toBe(at(42))
    expect(deadlineAfter(...installed, tick(102))).toBeNull()
    expect(
      deadlineAfter(...installed, { type: 'reservation.return-code', at: at(3), returnCode: 'r' }),
    ).toBeNull()
  })
})

describe('a newly installed device', () => {
  it('is in evaluation from its installation on, and sends no request', () => {
    const { snapshot, commands } = initialTransition(T0)
    expect(getLicenseState(snapshot.value)).toBe('evaluation')
    expect(snapshot.context.authorization.since).toBe(T0)
    expect(listRequests(commands)).toEqual([])
    expect(commands).toEqual([{ type: 'notice', params: { notice: 'EVAL_START' } }])
  })

  it('registers with force only if requested', () => {
    for (const [force, event] of [
      [true, register(2, { force: true })],
      [false, register(2, { again: true })],
    ] as const) {
      const { snapshot, commands } = transition(runEvents([...authorized]).snapshot, event)
      expect(listRequests(commands)).toEqual(['register'])
      expect(snapshot.context.registering?.force).toBe(force)
    }
  })
})

describe('the license state', () => {
  const reservedFor = (count: number): Event[] => [
    usageChanged,
    { type: 'reservation.request', at: at(1), requestCode: 'request-1' },
    {
      type: 'reservation.install',
      at: at(2),
      grant: {
        ...({} as InstalledAuthorization),
        licenses: [{ tag: 'HOST', name: 'Host License', count, endsAt: null, lastWarningSeconds: null }],
      },
    },
  ]
  it.each<[string, Event[], string[], boolean]>([
    ['in evaluation', [usageChanged], ['full', 'evaluation-runs'], true],
    ['when the evaluation is used up', [tick(90, 90 * 86_400)], ['license-management-only'], false],
    ['registered', registered, ['full', 'evaluation-runs'], true],
    ['authorized', authorized, ['full'], false],
    ['out of compliance', [...registered, authorizeAccepted(1, false)], ['full'], false],
    ['past the deadline', [...authorized, tick(91)], ['full'], false],
    ['with enough reserved', reservedFor(3), ['full'], false],
    ['with too few reserved', reservedFor(2), ['license-management-only'], false],
  ])('has the expected tags %s', (_, given, tags, running) => {
    const { snapshot } = runEvents(given)
    expect([...toMachineSnapshot(snapshot).tags].toSorted()).toEqual(tags.toSorted())
    expect(isFullyFunctional(snapshot)).toBe(tags.includes('full'))
    expect(snapshot.context.evaluation.running).toBe(running)
  })

  it('R-EVAL-3 the evaluation continues with warnings until the first authorization', () => {
    const { snapshot, commands } = runEvents([...registered, tick(61, 60 * 86_400)])
    expect(snapshot.context.evaluation.remainingSeconds).toBe(30 * 86_400)
    expect(listDetails(commands, 'EVAL_EXPIRED_WARNING')).toEqual(['30 days are left'])
    expect(transition(snapshot, tick(61.5, 100)).snapshot.context.evaluation.remainingSeconds).toBe(
      30 * 86_400 - 100,
    )
    const after = transition(snapshot, authorizeAccepted(62)).snapshot
    expect(transition(after, tick(63, 100)).snapshot.context.evaluation.remainingSeconds).toBe(30 * 86_400)
  })

  it.each<[string, Event[], number]>([
    ['the evaluation was used up', [tick(90, 90 * 86_400), tick(95)], 90],
    ['the device was registered', registered, 1],
    ['the device was authorized', [...authorized, tick(31), authorizeAccepted(31)], 1],
    [
      'the device was out of compliance',
      [...authorized, tick(31), authorizeAccepted(31, false), authorizeAccepted(32, false)],
      31,
    ],
    ['the deadline passed', [...authorized, tick(91), tick(92)], 91],
    ['the certificate expired', [...authorized, tick(366), tick(367)], 366],
  ])('is dated from the instant when %s', (_, given, day) => {
    expect(runEvents(given).snapshot.context.authorization.since).toBe(at(day))
  })
})

describe('an invalid state value', () => {
  it('has no license state', () => {
    expect(() =>
      getLicenseState({
        registration: 'unregistered',
        license: 'lost',
        reservation: 'none',
        connection: 'up',
      }),
    ).toThrow('unknown license state lost')
    expect(toRegionPath({})).toBe('')
  })
})
