import type { Context, Failure } from './agent-context.ts'
import type { Command, Event, Notice, RequestKind } from './agent-machine.types.ts'
import type { LicenseState } from './state-names.ts'
import { DAY, type Instant, MINUTE, SECOND } from './time.ts'
import {
  type AgentSnapshot,
  canHandle,
  getLicenseState,
  isCovered,
  isFullyFunctional,
  listPendingRequests,
  nextDeadline,
  transition,
} from './transition.ts'

/** Runs a copy of the machine into the future, without a clock and without I/O. Nothing real is touched. */

/** Behavior of the authority: it answers, does not answer, refuses every request, or has too few licenses. */
export const AUTHORITY_BEHAVIORS = ['reachable', 'unreachable', 'refusing', 'short'] as const
export type AuthorityBehavior = (typeof AUTHORITY_BEHAVIORS)[number]

export interface WhatIfOptions {
  /** Instant at which the run begins. */
  readonly from: Instant
  /** Duration of the run, in days: 0 to 3650, fractions included. */
  readonly days: number
  readonly authority: AuthorityBehavior
  /** Events that happen at the beginning. Their instants are replaced by `from`. */
  readonly events?: readonly Event[]
}

/** Change of the license state, or notices, at one instant of a run. */
export interface WhatIfMove {
  readonly at: Instant
  readonly event: Event['type']
  readonly before: LicenseState
  readonly after: LicenseState
  readonly notices: readonly { readonly notice: Notice; readonly detail?: string }[]
}

/** Period of a run with one value. */
export interface WhatIfPeriod<T> {
  readonly from: Instant
  readonly to: Instant
  readonly value: T
}

export interface WhatIfRun {
  readonly end: AgentSnapshot
  /** Changes of the license state and notices, oldest first. Outcomes of single attempts are counted instead. */
  readonly moves: readonly WhatIfMove[]
  /** License states in order, without gaps. */
  readonly states: readonly WhatIfPeriod<LicenseState>[]
  /** Functionality of the product, in order, without gaps. */
  readonly functionality: readonly WhatIfPeriod<'full' | 'license-management-only'>[]
  /** Number of events that the machine processed. */
  readonly steps: number
  readonly attempts: { readonly answered: number; readonly unanswered: number }
  /** Types of the given events that the machine does not handle in their states. */
  readonly ignored: readonly Event['type'][]
}

/** Longest run, in days. */
export const MAX_WHAT_IF_DAYS = 3650

/** Notices of single attempts. A run of months has thousands of them. */
const ATTEMPT_NOTICES: readonly Notice[] = [
  'AUTH_RENEW_SUCCESS',
  'AUTH_RENEW_FAILED',
  'AGENT_REG_FAILED',
  'ID_CERT_RENEW_FAILED',
]

/** Periods that a real authority grants: 90 days for an authorization, a year for an ID certificate. */
const AUTHORIZATION_PERIOD = 90 * DAY - 5 * MINUTE
const IDENTITY_PERIOD = 365 * DAY - 5 * MINUTE

/**
 * Runs a copy of the machine from a snapshot. The device is on all the time, and each request has its outcome at once.
 *
 * @throws RangeError for a number of days that is negative, not finite, or greater than `MAX_WHAT_IF_DAYS`
 */
export function whatIf(snapshot: AgentSnapshot, options: WhatIfOptions): WhatIfRun {
  const { from, days, authority, events = [] } = options
  if (!(days >= 0 && days <= MAX_WHAT_IF_DAYS))
    throw new RangeError(`the number of days must be 0 to ${MAX_WHAT_IF_DAYS}`)
  const run = new Run(snapshot, from, authority)
  run.answer(listPendingRequests(snapshot))
  for (const event of events) run.send({ ...event, at: from })
  const end = from + days * DAY
  while (run.at < end) run.advance(end)
  return run.result()
}

/**
 * Returns the milliseconds until the next instant at which the machine does something by itself: a deadline, or a warning or the
 * end of a running evaluation. Negative if it is overdue. Null if nothing is due.
 */
export function getTimeUntilDue(snapshot: AgentSnapshot, at: Instant): number | null {
  const { evaluation, periods } = snapshot.context
  const deadline = nextDeadline(snapshot)
  const due = deadline === null ? [] : [deadline - at]
  if (evaluation.running) {
    const warnings = periods.evaluationWarnings.filter((left) => left < evaluation.remainingSeconds)
    due.push((evaluation.remainingSeconds - Math.max(...warnings, 0)) * SECOND)
  }
  return due.length === 0 ? null : Math.min(...due)
}

class Run {
  at: Instant
  readonly #authority: AuthorityBehavior
  #snapshot: AgentSnapshot
  readonly #moves: WhatIfMove[] = []
  readonly #states: { from: Instant; value: LicenseState }[]
  readonly #functionality: { from: Instant; value: 'full' | 'license-management-only' }[]
  readonly #attempts = { answered: 0, unanswered: 0 }
  readonly #ignored: Event['type'][] = []
  #steps = 0

  constructor(snapshot: AgentSnapshot, at: Instant, authority: AuthorityBehavior) {
    this.at = at
    this.#authority = authority
    this.#snapshot = snapshot
    this.#states = [{ from: at, value: getLicenseState(snapshot.value) }]
    this.#functionality = [{ from: at, value: this.#getFunctionality() }]
  }

  /** Sends an event of a person or the product. Notes an event that the machine does not handle. */
  send(event: Event): void {
    if (canHandle(this.#snapshot, event)) this.#apply(event)
    else this.#ignored.push(event.type)
  }

  /** Lets time pass until the next instant at which something happens, or until the end. */
  advance(end: Instant): void {
    const { evaluation } = this.#snapshot.context
    const due = getTimeUntilDue(this.#snapshot, this.at) ?? end - this.at
    // At least one second passes, so that a deadline without an effect does not hold the run.
    const next = Math.min(end, this.at + Math.max(SECOND, due))
    const used = evaluation.running ? (next - this.at) / SECOND : 0
    this.at = next
    this.#apply({ type: 'clock.tick', at: next, used })
  }

  answer(kinds: readonly RequestKind[]): void {
    for (const kind of kinds) {
      this.#attempts[this.#authority === 'unreachable' ? 'unanswered' : 'answered']++
      this.#apply(createOutcome(kind, this.#authority, this.#snapshot.context, this.at))
    }
  }

  result(): WhatIfRun {
    const close = <T>(list: readonly { from: Instant; value: T }[]): WhatIfPeriod<T>[] =>
      list.map((period, i) => ({ ...period, to: list[i + 1]?.from ?? this.at }))
    return {
      end: this.#snapshot,
      moves: this.#moves,
      states: close(this.#states),
      functionality: close(this.#functionality),
      steps: this.#steps,
      attempts: this.#attempts,
      ignored: this.#ignored,
    }
  }

  #apply(event: Event): void {
    const before = getLicenseState(this.#snapshot.value)
    const { snapshot, commands } = transition(this.#snapshot, event)
    this.#snapshot = snapshot
    this.#steps++
    this.#record(event, before, commands)
    this.answer(commands.flatMap((command) => (command.type === 'request' ? [command.params.kind] : [])))
  }

  #record({ type, at }: Event, before: LicenseState, commands: readonly Command[]): void {
    const after = getLicenseState(this.#snapshot.value)
    const notices = commands.flatMap((command) =>
      command.type === 'notice' && !ATTEMPT_NOTICES.includes(command.params.notice) ? [command.params] : [],
    )
    if (before !== after || notices.length > 0) this.#moves.push({ at, event: type, before, after, notices })
    if (before !== after) this.#states.push({ from: at, value: after })
    const functionality = this.#getFunctionality()
    if (functionality !== this.#functionality.at(-1)?.value)
      this.#functionality.push({ from: at, value: functionality })
  }

  #getFunctionality(): 'full' | 'license-management-only' {
    const isReserved = getLicenseState(this.#snapshot.value) === 'reserved'
    return isFullyFunctional(this.#snapshot) && (!isReserved || isCovered(this.#snapshot, this.at))
      ? 'full'
      : 'license-management-only'
  }
}

const FAILURES: Readonly<Record<'unreachable' | 'refusing', Failure>> = {
  unreachable: {
    code: 'TIMED_OUT',
    message: 'The license server did not answer.',
    remedy: 'Check the connection to the license server.',
  },
  refusing: {
    code: 'REFUSED',
    message: 'The license server refused the request.',
    remedy: 'Ask the administrator of the license server.',
  },
}

/** Creates the event with the outcome of a request. */
function createOutcome(
  kind: RequestKind,
  authority: AuthorityBehavior,
  { registration, usage }: Context,
  at: Instant,
): Event {
  if (authority === 'unreachable')
    return { type: `${kind}.unreachable`, at, failure: FAILURES.unreachable, jitter: 0.5, retryAfter: null }
  if (authority === 'refusing')
    return { type: `${kind}.refused`, at, failure: FAILURES.refusing, consequence: 'repeat' }
  const account = {
    smartAccount: registration?.smartAccount ?? 'example.com',
    virtualAccount: registration?.virtualAccount ?? 'Default',
  }
  const expiresAt = at + IDENTITY_PERIOD
  switch (kind) {
    case 'register':
      return {
        type: 'register.accepted',
        at,
        registration: {
          instanceId: 'what-if',
          ...account,
          exportControlled: registration?.exportControlled ?? false,
          registeredAt: at,
          expiresAt,
        },
      }
    case 'authorize': {
      const compliant = authority === 'reachable'
      return {
        type: 'authorize.accepted',
        at,
        ...account,
        counts: usage.counts,
        compliant,
        entitlements: Object.entries(usage.counts).map(([tag, count]) => ({
          tag,
          name: tag,
          description: '',
          count,
          status: compliant ? ('in-compliance' as const) : ('out-of-compliance' as const),
        })),
        deadlineAt: at + AUTHORIZATION_PERIOD,
        nextContactAt: null,
      }
    }
    case 'renew':
      return { type: 'renew.accepted', at, expiresAt }
    case 'acknowledge':
    case 'deregister':
      return { type: `${kind}.accepted`, at }
  }
}
