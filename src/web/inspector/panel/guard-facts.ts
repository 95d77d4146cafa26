import { formatExact } from '../format-time.ts'
import type { Snapshot } from '../source.ts'
import { texts } from '../texts.ts'

type Context = Snapshot['snapshot']['context']

/** Guard of a transition, with the facts that it reads. */
export interface GuardFacts {
  /** Condition in words. */
  readonly sentence: string
  readonly facts: readonly (readonly [name: string, value: string])[]
  /** Earliest instant at which the condition becomes true. Null if no instant decides it. */
  readonly dueAt: number | null
  /** Null if only the event decides, such as an answer of the license server. */
  readonly isMet: boolean | null
}

type Instants = Readonly<Record<string, number | null>>

/** Instants that the guards of time compare with the present. The earliest one decides. */
const READ_INSTANTS: Readonly<Record<string, (context: Context) => Instants>> = {
  isAuthorizationDue: ({ authorization, usage }) => ({
    nextAttemptAt: authorization.nextAttemptAt,
    'usage.reportAt': usage.reportAt,
  }),
  isAttemptDue: ({ authorization }) => ({ nextAttemptAt: authorization.nextAttemptAt }),
  isDeadlinePassed: ({ authorization }) => ({ deadlineAt: authorization.deadlineAt }),
  isRenewalDue: ({ renewal }) => ({ 'renewal.nextAt': renewal.nextAt }),
  isRetryDue: ({ registering }) => ({ 'registering.nextAttemptAt': registering?.nextAttemptAt ?? null }),
  isIdentityExpired: ({ registration }) => ({ 'registration.expiresAt': registration?.expiresAt ?? null }),
}

const formatInstant = (at: number | null): string =>
  at === null ? texts.panel.none : formatExact(new Date(at).toISOString())

function readCondition(guard: string, { value, context }: Snapshot['snapshot']): boolean | null {
  const { evaluation } = context
  const isRegistered = context.registration !== null
  const conditions: Record<string, boolean> = {
    willExhaustEvaluation: evaluation.running && evaluation.remainingSeconds === 0,
    isEvaluationExhausted: evaluation.remainingSeconds === 0,
    isUnreserved: value.reservation === 'none',
    isReservationRequested: value.reservation === 'requested',
    isReservationInstalled: value.reservation === 'installed',
    isReturning: value.reservation === 'returning',
    isReturningAndEvaluationExhausted: value.reservation === 'returning' && evaluation.remainingSeconds === 0,
    isUnregistered: !isRegistered,
    isRegistering: context.registering !== null,
  }
  return conditions[guard] ?? null
}

/** Returns the facts that a guard reads, and whether they let the transition happen now. */
export function readGuard(guard: string, snapshot: Snapshot['snapshot'], now: number): GuardFacts {
  const sentence = (texts.guards as Record<string, string>)[guard] ?? guard
  const instants = READ_INSTANTS[guard]?.(snapshot.context)
  if (instants) {
    const dates = Object.values(instants).filter((at) => at !== null)
    const dueAt = dates.length === 0 ? null : Math.min(...dates)
    return {
      sentence,
      facts: Object.entries(instants).map(([name, at]) => [name, formatInstant(at)]),
      dueAt,
      isMet: dueAt !== null && dueAt <= now,
    }
  }
  const readsEvaluation = guard.includes('Evaluation')
  return {
    sentence,
    facts: readsEvaluation
      ? [['evaluation.remainingSeconds', String(Math.round(snapshot.context.evaluation.remainingSeconds))]]
      : [],
    dueAt: null,
    isMet: readCondition(guard, snapshot),
  }
}
