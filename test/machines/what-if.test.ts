import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AUTHORITY_BEHAVIORS,
  canHandle,
  DAY,
  getLicenseState,
  initialTransition,
  MAX_WHAT_IF_DAYS,
  nextDeadline,
  transition,
  whatIf,
  type AgentSnapshot,
  type Event,
} from '../../machines/index.ts'
import { at, authorizeAccepted, register, registerAccepted, runEvents, T0, usageChanged } from './events.ts'
import { adjacency, getLatestInstant, toAgentSnapshot } from './reachable-states.ts'

const authorized = runEvents([usageChanged, register(0), registerAccepted(0), authorizeAccepted(0)]).snapshot
const fresh = initialTransition(T0).snapshot
const listStates = ({ states }: ReturnType<typeof whatIf>) => states.map(({ value }) => value)

describe('R-INS-4: a what-if run', () => {
  it('of an authorized device stays authorized with a reachable authority, and renews', () => {
    const run = whatIf(authorized, { from: at(1), days: 400, authority: 'reachable' })
    expect(listStates(run)).toEqual(['authorized'])
    expect(run.attempts.unanswered).toBe(0)
    expect(run.attempts.answered).toBeGreaterThan(13)
    expect(run.moves.map(({ notices }) => notices.map(({ notice }) => notice)).flat()).toContain(
      'ID_CERT_RENEW_SUCCESS',
    )
  })

  it('without an authority expires at the deadline, and with the certificate the evaluation resumes', () => {
    const run = whatIf(authorized, { from: at(1), days: 500, authority: 'unreachable' })
    expect(run.states.map(({ value, from }) => [value, Math.round((from - T0) / DAY)])).toEqual([
      ['authorized', 1],
      ['auth-expired', 90],
      ['evaluation', 365],
      ['unregistered', 455],
    ])
    expect(run.functionality.map(({ value }) => value)).toEqual(['full', 'license-management-only'])
    expect(run.attempts.answered).toBe(0)
    expect(run.states.at(-1)?.to).toBe(at(501))
    // Attempts are counted, and only what matters is listed.
    expect(run.moves.length).toBeLessThan(15)
    expect(run.attempts.unanswered).toBeGreaterThan(100)
  })

  it('with too few licenses is out of compliance from the next contact on', () => {
    const run = whatIf(authorized, { from: at(1), days: 60, authority: 'short' })
    expect(listStates(run)).toEqual(['authorized', 'out-of-compliance'])
    expect(run.functionality.map(({ value }) => value)).toEqual(['full'])
  })

  it('with an authority that refuses ends at the deadline too', () => {
    expect(listStates(whatIf(authorized, { from: at(1), days: 100, authority: 'refusing' }))).toEqual([
      'authorized',
      'auth-expired',
    ])
  })

  it('of a new device ends with its evaluation, unless a token is entered', () => {
    const unregistered = whatIf(fresh, { from: T0, days: 91, authority: 'reachable' })
    expect(unregistered.states.map(({ value, from }) => [value, (from - T0) / DAY])).toEqual([
      ['evaluation', 0],
      ['unregistered', 90],
    ])
    expect(unregistered.moves.filter(({ notices }) => notices.length > 0)).toHaveLength(6)
    const registered = whatIf(fresh, { from: T0, days: 91, authority: 'reachable', events: [register(0)] })
    expect(listStates(registered)).toEqual(['evaluation', 'registered', 'authorized'])
    const ignored = whatIf(fresh, {
      from: T0,
      days: 0,
      authority: 'reachable',
      events: [{ type: 'registration.end', at: 0 }],
    })
    expect([ignored.ignored, ignored.steps]).toEqual([['registration.end'], 0])
  })

  it('answers the request that is under way at the beginning', () => {
    const requesting = runEvents([usageChanged, register(0)]).snapshot
    const run = whatIf(requesting, { from: at(1), days: 1, authority: 'reachable' })
    expect(listStates(run)).toEqual(['evaluation', 'registered', 'authorized'])
  })

  it('touches nothing, and is the same each time', () => {
    const before = structuredClone(authorized)
    const options = { from: at(1), days: 300, authority: 'unreachable' } as const
    expect(whatIf(authorized, options)).toEqual(whatIf(authorized, options))
    expect(authorized).toEqual(before)
  })

  it.each([-1, NaN, Infinity, MAX_WHAT_IF_DAYS + 1])('refuses %d days', (days) => {
    expect(() => whatIf(fresh, { from: T0, days, authority: 'reachable' })).toThrow(RangeError)
  })

  it('ends for every reachable state and behavior, with periods that have no gap', () => {
    const states = adjacency.filter((_, i) => i % 150 === 0).map(({ state }) => toAgentSnapshot(state))
    expect(states.length).toBeGreaterThan(5)
    for (const snapshot of states)
      for (const authority of AUTHORITY_BEHAVIORS) {
        const from = getLatestInstant(snapshot.context) + 1000
        const run = whatIf(snapshot, { from, days: 40, authority })
        for (const list of [run.states, run.functionality] as const) {
          expect([list[0]?.from, list.at(-1)?.to]).toEqual([from, from + 40 * DAY])
          for (let i = 1; i < list.length; i++) expect(list[i]?.from).toBe(list[i - 1]?.to)
        }
        expect(getLicenseState(run.end.value)).toBe(run.states.at(-1)?.value)
      }
  })

  it('ends where the machine itself ends after the same ticks and events', () => {
    const days = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(days, fc.nat(), (waits, pick) => {
        // The machine alone: ticks at its own deadlines, and no answer ever.
        let now = at(1)
        let snapshot: AgentSnapshot = authorized
        const events: Event[] =
          pick % 3 === 0
            ? [{ type: 'registration.renew', at: now }]
            : pick % 3 === 1
              ? [{ type: 'authorization.renew', at: now }]
              : []
        const unanswered = (before: AgentSnapshot, event: Event): AgentSnapshot => {
          if (!canHandle(before, event)) return before
          let { snapshot: next, commands } = transition(before, event)
          for (const command of commands)
            if (command.type === 'request')
              next = unanswered(next, {
                type: `${command.params.kind}.unreachable`,
                at: now,
                jitter: 0.5,
                retryAfter: null,
                failure: {
                  code: 'TIMED_OUT',
                  message: 'The license server did not answer.',
                  remedy: 'Check the connection to the license server.',
                },
              })
          commands = []
          return next
        }
        for (const event of events) snapshot = unanswered(snapshot, event)
        const total = waits.reduce((sum, wait) => sum + wait, 0)
        const end = at(1) + total * DAY
        while (now < end) {
          const { evaluation, periods } = snapshot.context
          const marks = [
            ...periods.evaluationWarnings.filter((left) => left < evaluation.remainingSeconds),
            0,
          ]
          const used = evaluation.running
            ? Math.min(...marks.map((left) => evaluation.remainingSeconds - left))
            : Infinity
          const next = Math.min(
            end,
            Math.max(now + 1000, Math.min(nextDeadline(snapshot) ?? end, now + used * 1000)),
          )
          const seconds = evaluation.running ? (next - now) / 1000 : 0
          now = next
          snapshot = unanswered(snapshot, { type: 'clock.tick', at: now, used: seconds })
        }
        const run = whatIf(authorized, { from: at(1), days: total, authority: 'unreachable', events })
        expect(run.end).toEqual(snapshot)
      }),
      { numRuns: 12, seed: 3 },
    )
  })
})
