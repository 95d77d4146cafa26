import type {
  UsageCounts,
  Entitlement,
  Failure,
  InstalledAuthorization,
  Registration,
  ReturnedReservation,
} from './agent-context.ts'
import type { RefusalConsequence } from './refusal-consequence.ts'
import type { Instant } from './time.ts'

interface Timestamped {
  readonly at: Instant
}
/** Refusal in a signed answer. */
export interface RefusedEvent extends Timestamped {
  readonly failure: Failure
  readonly consequence: RefusalConsequence
}
/** Request without a valid answer. The agent retries the request. */
export interface UnreachableEvent extends Timestamped {
  readonly failure: Failure
  /** Random number in [0, 1), drawn once and stored. */
  readonly jitter: number
  /** Delay requested by the server, in milliseconds. Null when the server requested none. */
  readonly retryAfter: number | null
}

export type Event =
  /** Reports that time has passed. `used` is the time since the last tick, in seconds of evaluation. */
  | (Timestamped & { readonly type: 'clock.tick'; readonly used: number })
  /** Starts a registration. `force` replaces the product instance at the authority. `again` permits re-registration. */
  | (Timestamped & { readonly type: 'registration.start'; readonly force: boolean; readonly again: boolean })
  /** Ends the registration, or cancels the attempt in progress. */
  | (Timestamped & { readonly type: 'registration.end' })
  /** Reports a change of the transport. `transport` is its kind and URL, as text for administrators. */
  | (Timestamped & { readonly type: 'transport.changed'; readonly transport: string })
  | (Timestamped & { readonly type: 'registration.renew' })
  | (Timestamped & { readonly type: 'authorization.renew' })
  | (Timestamped & { readonly type: 'usage.changed'; readonly tag: string; readonly count: number })
  /** Upgrades an unregistered, unreserved device to another major version. `evaluate` starts a new evaluation. */
  | (Timestamped & { readonly type: 'product.upgrade'; readonly version: string; readonly evaluate: boolean })
  | (Timestamped & { readonly type: 'reservation.request'; readonly requestCode: string })
  | (Timestamped & { readonly type: 'reservation.cancel' })
  /** Installs a verified authorization file: the first file of a reservation, or a newer file. */
  | (Timestamped & {
      readonly type: 'reservation.install' | 'reservation.update'
      readonly grant: InstalledAuthorization
    })
  /** Ends the reservation on the device. `reservation.return` completes the return. */
  | (Timestamped & { readonly type: 'reservation.return-code'; readonly returnCode: string })
  | (Timestamped & { readonly type: 'reservation.return' })
  /** Returns an authorization file for a canceled request without installing the file. */
  | (Timestamped & { readonly type: 'reservation.discard'; readonly returned: ReturnedReservation })
  | (Timestamped & { readonly type: 'register.accepted'; readonly registration: Registration })
  | (RefusedEvent & { readonly type: 'register.refused' })
  | (UnreachableEvent & { readonly type: 'register.unreachable' })
  | (Timestamped & {
      readonly type: 'authorize.accepted'
      readonly counts: UsageCounts
      readonly compliant: boolean
      readonly entitlements: readonly Entitlement[]
      readonly deadlineAt: Instant
      readonly nextContactAt: Instant | null
      readonly smartAccount: string
      readonly virtualAccount: string
    })
  | (RefusedEvent & { readonly type: 'authorize.refused' })
  | (UnreachableEvent & { readonly type: 'authorize.unreachable' })
  | (Timestamped & { readonly type: 'renew.accepted'; readonly expiresAt: Instant })
  | (RefusedEvent & { readonly type: 'renew.refused' })
  | (UnreachableEvent & { readonly type: 'renew.unreachable' })
  | (Timestamped & { readonly type: 'acknowledge.accepted' })
  | (RefusedEvent & { readonly type: 'acknowledge.refused' })
  | (UnreachableEvent & { readonly type: 'acknowledge.unreachable' })
  | (Timestamped & { readonly type: 'deregister.accepted' })
  | (RefusedEvent & { readonly type: 'deregister.refused' })
  | (UnreachableEvent & { readonly type: 'deregister.unreachable' })

/** Reason why a registration ended: by the device itself, by its authority, or with its ID certificate. */
export type RegistrationEndReason = 'deregistered' | 'revoked' | 'expired'

/** Event that the machine raises itself. The registration region raises it, and the license region follows. */
export type InternalEvent = Timestamped & {
  readonly type: 'registration.ended'
  readonly reason: RegistrationEndReason
  /** Failure of the request that reported the end. Null for an end without one. */
  readonly failure: Failure | null
}
export type MachineEvent = Event | InternalEvent

export type RequestKind = 'register' | 'authorize' | 'renew' | 'acknowledge' | 'deregister'

/** Name of a notice in the event catalog. */
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

/** Notice that the machine emits. Listen with `actor.on('notice', …)`. */
export interface NoticeEvent {
  readonly type: 'notice'
  readonly notice: Notice
  readonly detail?: string
}

/** Command of a transition. The runtime executes commands after the transition is on disk. */
export type Command =
  | { readonly type: 'request'; readonly params: { readonly kind: RequestKind } }
  /** Deletes a token, key or identity that is no longer needed. */
  | { readonly type: 'discardSecrets'; readonly params: { readonly what: 'identity' | 'registering' } }
  | { readonly type: 'notice'; readonly params: { readonly notice: Notice; readonly detail?: string } }

/** Deadline that a state waits for. `DEADLINES` reads its instant from the context. */
export type DeadlineName =
  | 'registrationAttempt'
  | 'registrationRenewal'
  | 'registrationExpiry'
  | 'authorizationAttempt'
  | 'usageReport'
  | 'authorizationDeadline'
  | 'evaluationEnd'
  | 'toleranceEnd'
  | 'reservationTerm'

/** Metadata of a state: its name for people, the deadlines that it waits for, and the request whose outcome it awaits. */
// A type alias, because XState requires an index signature, which interfaces do not have.
export type StateMeta = {
  readonly label: string
  readonly awaits?: readonly DeadlineName[]
  readonly request?: RequestKind
}
/** Metadata of a transition: its cause in the words of people, in at most 34 characters. */
export type TransitionMeta = { readonly label: string }
