import type { Context } from './agent-context.ts'
import type { DeadlineName } from './agent-machine.types.ts'
import { nextTermDeadline } from './reservation.ts'
import type { Instant } from './time.ts'

/** Deadline of the agent machine: its instant in the context, and what happens then. */
export interface Deadline {
  /** Returns the instant. Null when nothing waits. */
  readonly read: (context: Context) => Instant | null
  /** Describes for people what happens at the instant. */
  readonly describe: (context: Context) => string
}

/**
 * Deadlines that states of the agent machine name in `meta.awaits`. The end of the evaluation is no instant, because
 * the evaluation is counted in seconds of use.
 */
export const DEADLINES: Readonly<Record<Exclude<DeadlineName, 'evaluationEnd'>, Deadline>> = {
  registrationAttempt: {
    read: ({ registering }) => registering?.nextAttemptAt ?? null,
    describe: () => 'the registration is retried',
  },
  registrationRenewal: {
    read: ({ renewal }) => renewal.nextAt,
    describe: ({ renewal }) =>
      renewal.failures > 0 ? 'the renewal of the registration is retried' : 'the registration is renewed',
  },
  registrationExpiry: {
    read: ({ registration }) => registration?.expiresAt ?? null,
    describe: () => 'the registration expires unless it is renewed before then',
  },
  authorizationAttempt: {
    read: ({ authorization }) => authorization.nextAttemptAt,
    describe: ({ authorization }) =>
      authorization.failures > 0 ? 'the authorization is retried' : 'the authorization is renewed',
  },
  usageReport: {
    read: ({ usage }) => usage.reportAt,
    describe: () => 'the changed usage is reported',
  },
  authorizationDeadline: {
    read: ({ authorization }) => authorization.deadlineAt,
    describe: () => 'the authorization expires unless the authority is reached before then',
  },
  toleranceEnd: {
    // While the evaluation lasts, the deadline changes nothing.
    read: ({ authorization, evaluation }) =>
      evaluation.remainingSeconds === 0 ? authorization.deadlineAt : null,
    describe: () => 'only license management works unless the device is registered again before then',
  },
  reservationTerm: {
    read: ({ reservation, periods }) => {
      const grant = reservation.current?.grant
      return grant ? nextTermDeadline(grant, periods.termWarnings) : null
    },
    describe: () => 'the term of reserved licenses ends, or a warning about it is due',
  },
}
