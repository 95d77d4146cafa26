import type { Periods } from './deadlines.ts'
import type { Instant } from './time.ts'

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

/** Licences of one tag that are reserved for this box, until one instant or for ever. */
export interface ReservedLicense {
  readonly tag: string
  readonly name: string
  readonly count: number
  readonly endsAt: Instant | null
  /** Seconds before the end at which it was last warned of; 0 when the end was told; null before any warning. */
  readonly told: number | null
}

/** An authorization file that was installed: what it reserves, and what is needed to take a newer one. */
export interface Grant {
  readonly reservationId: string
  readonly authorityId: string
  /** The authority's key for codes, base64url: public. */
  readonly authorityKey: string
  readonly smartAccount: string
  readonly virtualAccount: string
  readonly epoch: number
  readonly sequence: number
  readonly issuedAt: Instant
  readonly installedAt: Instant
  /** When the first authorization of this reservation was installed. */
  readonly reservedAt: Instant
  readonly licenses: readonly ReservedLicense[]
  /** What the licensing user enters at the authority after an update; null before the first. */
  readonly confirmationCode: string | null
  /** The latest instant of this box that the next file must be younger than: its clock is checked by it. */
  readonly knownAt: Instant
}

/** A reservation that was given back: kept, since its files may come again and its code may be asked for again. */
export interface Returned {
  /** The request that it answered. */
  readonly request: number
  readonly reservationId: string
  readonly returnCode: string
  readonly at: Instant
}

/** Specific licence reservation: at most one is current, and it belongs to the newest request. */
export interface ReservationFacts {
  /** Requests made so far: each has a number, and a key of its own. */
  readonly requests: number
  readonly current:
    | { readonly stage: 'requested'; readonly requestCode: string; readonly at: Instant }
    | { readonly stage: 'installed'; readonly requestCode: string; readonly grant: Grant }
    | {
        readonly stage: 'returning'
        readonly requestCode: string
        readonly grant: Grant
        readonly returnCode: string
      }
    | null
  readonly returned: readonly Returned[]
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
  readonly reservation: ReservationFacts
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
  /** What stands against it is mended elsewhere: it is asked again by itself. */
  readonly again?: boolean
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
  /** To another major version, of a box that holds no registration and no reservation; with an evaluation of its own, or without. */
  | (At & { readonly type: 'UPGRADE'; readonly version: string; readonly evaluate: boolean })
  | (At & { readonly type: 'RESERVATION_REQUEST'; readonly requestCode: string })
  | (At & { readonly type: 'RESERVATION_CANCEL' })
  /** The first authorization file of a reservation, or a newer one: checked before. */
  | (At & { readonly type: 'RESERVATION_INSTALL' | 'RESERVATION_UPDATE'; readonly grant: Grant })
  /** The grant ends here. */
  | (At & { readonly type: 'RESERVATION_RETURN_CODE'; readonly returnCode: string })
  | (At & { readonly type: 'RESERVATION_RETURN' })
  /** An authorization file for a cancelled request is given back without being installed. */
  | (At & { readonly type: 'RESERVATION_DISCARD'; readonly returned: Returned })
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
  | 'PRODUCT_UPGRADED'
  | 'RESERVATION_REQUESTED'
  | 'RESERVATION_CANCELED'
  | 'RESERVED_INSTALLED'
  | 'RESERVATION_UPDATED'
  | 'RETURN_CODE_CREATED'
  | 'RESERVATION_RETURNED'
  | 'RESERVATION_DISCARDED'
  | 'RESERVATION_TERM_WARNING'
  | 'RESERVATION_TERM_ENDED'
  | 'NOT_AUTHORIZED'

/** What a step of the chart asks the runtime to do, after it is on disk. */
export type Command =
  | { readonly type: 'request'; readonly params: { readonly kind: RequestKind; readonly force?: boolean } }
  /** What was kept for a purpose that is over: a token, a key, an identity. */
  | { readonly type: 'forget'; readonly params: { readonly what: 'identity' | 'registering' } }
  | { readonly type: 'notice'; readonly params: { readonly notice: Notice; readonly detail?: string } }
