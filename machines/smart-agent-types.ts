import type { Instant, Periods } from './deadlines.ts'

/** The seven words of the Status document. */
export type StateWord =
  | 'evaluation'
  | 'unregistered'
  | 'registered'
  | 'authorized'
  | 'out-of-compliance'
  | 'auth-expired'
  | 'reserved'

/** Why an attempt did not succeed, in the words of the error table. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** What a registration gives: who the box is to the authority, and until when. */
export interface Registration {
  readonly instanceId: string
  readonly smartAccount: string
  readonly virtualAccount: string
  readonly exportControlled: boolean
  readonly registeredAt: Instant
  /** The end of the ID certificate, by the certificate's own date. */
  readonly expiresAt: Instant
}

/** The end of one attempt, for status and history. */
export interface Attempt {
  readonly at: Instant
  readonly outcome: 'succeeded' | 'failed'
  readonly reason: Failure | null
}

export type Counts = Readonly<Record<string, number>>

/** One tag as the authority answered it. */
export interface Entitlement {
  readonly tag: string
  readonly name: string
  readonly description: string
  readonly count: number
  readonly status: 'in-compliance' | 'out-of-compliance' | 'invalid-tag'
}

/** The stored facts of the chart: plain JSON, every instant absolute. */
export interface Context {
  readonly periods: Periods
  readonly evaluation: {
    readonly remainingSeconds: number
    /** Seconds are being used: until registration and the first authorization have both succeeded. */
    readonly running: boolean
  }
  readonly registration: Registration | null
  /** The attempt to register, or to register again, that is under way. */
  readonly registering: {
    readonly force: boolean
    readonly failures: number
    readonly nextAttemptAt: Instant | null
  } | null
  /** Why there is no registration, or why the last attempt at one failed. */
  readonly registrationFailure: (Failure & { readonly at: Instant }) | null
  readonly renewal: {
    readonly last: Attempt | null
    readonly nextAt: Instant | null
    readonly failures: number
  }
  readonly authorization: {
    /** When the state word was entered; polls that change nothing leave it. */
    readonly since: Instant
    readonly last: Attempt | null
    readonly nextAttemptAt: Instant | null
    readonly deadlineAt: Instant | null
    readonly failures: number
    readonly entitlements: readonly Entitlement[]
  }
  readonly usage: {
    /** What is in use now. */
    readonly counts: Counts
    /** What the authority last heard; null when it heard nothing under this registration. */
    readonly reported: Counts | null
    readonly reportAt: Instant | null
  }
  readonly lastFailure: (Failure & { readonly at: Instant }) | null
}

interface At {
  readonly at: Instant
}
/** A refusal in a signed answer: final. */
export interface Refused extends At {
  readonly failure: Failure
  /** The authority says that this registration is over. */
  readonly ended: boolean
}
/** No answer that counts: tried again. */
export interface Unreachable extends At {
  readonly failure: Failure
  /** A random number from 0 up to 1, thrown once. */
  readonly jitter: number
  /** Milliseconds, as the other side asked; null when it did not. */
  readonly retryAfter: number | null
}

export type Event =
  | (At & { readonly type: 'TICK'; readonly used: number })
  | (At & { readonly type: 'REGISTER'; readonly force: boolean; readonly again: boolean })
  | (At & { readonly type: 'DEREGISTER' })
  /** Another road to the authority: its kind and URL, for people. */
  | (At & { readonly type: 'TRANSPORT_CHANGED'; readonly road: string })
  | (At & { readonly type: 'RENEW_REGISTRATION' })
  | (At & { readonly type: 'RENEW_AUTHORIZATION' })
  | (At & { readonly type: 'USAGE'; readonly tag: string; readonly count: number })
  | (At & { readonly type: 'register.accepted'; readonly registration: Registration })
  | (Refused & { readonly type: 'register.refused' })
  | (Unreachable & { readonly type: 'register.unreachable' })
  | (At & {
      readonly type: 'authorize.accepted'
      readonly counts: Counts
      readonly compliant: boolean
      readonly entitlements: readonly Entitlement[]
      readonly deadlineAt: Instant
      readonly nextContactAt: Instant | null
      readonly smartAccount: string
      readonly virtualAccount: string
    })
  | (Refused & { readonly type: 'authorize.refused' })
  | (Unreachable & { readonly type: 'authorize.unreachable' })
  | (At & { readonly type: 'renew.accepted'; readonly expiresAt: Instant })
  | (Refused & { readonly type: 'renew.refused' })
  | (Unreachable & { readonly type: 'renew.unreachable' })
  | (At & { readonly type: 'acknowledge.accepted' })
  | (Refused & { readonly type: 'acknowledge.refused' })
  | (Unreachable & { readonly type: 'acknowledge.unreachable' })
  | (At & { readonly type: 'deregister.accepted' })
  | (Refused & { readonly type: 'deregister.refused' })
  | (Unreachable & { readonly type: 'deregister.unreachable' })

export type RequestKind = 'register' | 'authorize' | 'renew' | 'acknowledge' | 'deregister'

/** Names of the field's event catalogue (agent-behaviour §4.7), said once each time they happen. */
export type Notice =
  | 'EVAL_START'
  | 'EVAL_EXPIRED'
  | 'EVAL_EXPIRED_WARNING'
  | 'AGENT_REG_SUCCESS'
  | 'AGENT_REG_FAILED'
  | 'AGENT_DEREG_SUCCESS'
  | 'AGENT_DEREG_FAILED'
  | 'REGISTRATION_ENDED'
  | 'ID_CERT_RENEW_SUCCESS'
  | 'ID_CERT_RENEW_FAILED'
  | 'ID_CERT_EXPIRED'
  | 'AUTH_RENEW_SUCCESS'
  | 'AUTH_RENEW_FAILED'
  | 'AUTHORIZATION_EXPIRED'
  | 'OUT_OF_COMPLIANCE'
  | 'IN_COMPLIANCE'
  | 'INVALID_TAG'
  | 'EXPORT_CONTROLLED'
  | 'COMM_FAILED'
  | 'COMM_RESTORED'
  | 'TRANSPORT_CHANGED'

/** What a step of the chart asks the runtime to do, after it is on disk. */
export type Command =
  | { readonly type: 'request'; readonly params: { readonly kind: RequestKind; readonly force?: boolean } }
  /** What was kept for a purpose that is over: a token, a key, an identity. */
  | { readonly type: 'forget'; readonly params: { readonly what: 'identity' | 'registering' } }
  | { readonly type: 'notice'; readonly params: { readonly notice: Notice; readonly detail?: string } }
