import type {
  UsageCounts,
  Entitlement,
  Failure,
  InstalledAuthorization,
  Registration,
  ReturnedReservation,
} from './agent-context.ts'
import type { Instant } from './time.ts'

interface Timestamped {
  readonly at: Instant
}
/** A refusal in a signed answer: final. */
export interface RefusedEvent extends Timestamped {
  readonly failure: Failure
  /** The authority says that this registration is over. */
  readonly ended: boolean
  /** What stands against it is mended elsewhere: it is asked again by itself. */
  readonly again?: boolean
}
/** No answer that counts: tried again. */
export interface UnreachableEvent extends Timestamped {
  readonly failure: Failure
  /** A random number from 0 up to 1, thrown once. */
  readonly jitter: number
  /** Milliseconds, as the other side asked; null when it did not. */
  readonly retryAfter: number | null
}

export type Event =
  | (Timestamped & { readonly type: 'tick'; readonly used: number })
  | (Timestamped & { readonly type: 'register'; readonly force: boolean; readonly again: boolean })
  | (Timestamped & { readonly type: 'deregister' })
  /** Another road to the authority: its kind and URL, for people. */
  | (Timestamped & { readonly type: 'transport.changed'; readonly transport: string })
  | (Timestamped & { readonly type: 'registration.renew' })
  | (Timestamped & { readonly type: 'authorization.renew' })
  | (Timestamped & { readonly type: 'usage.changed'; readonly tag: string; readonly count: number })
  /** To another major version, of a box that holds no registration and no reservation; with an evaluation of its own, or without. */
  | (Timestamped & { readonly type: 'upgrade'; readonly version: string; readonly evaluate: boolean })
  | (Timestamped & { readonly type: 'reservation.request'; readonly requestCode: string })
  | (Timestamped & { readonly type: 'reservation.cancel' })
  /** The first authorization file of a reservation, or a newer one: checked before. */
  | (Timestamped & {
      readonly type: 'reservation.install' | 'reservation.update'
      readonly grant: InstalledAuthorization
    })
  /** The grant ends here. */
  | (Timestamped & { readonly type: 'reservation.return-code'; readonly returnCode: string })
  | (Timestamped & { readonly type: 'reservation.return' })
  /** An authorization file for a canceled request is given back without being installed. */
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

export type RequestKind = 'register' | 'authorize' | 'renew' | 'acknowledge' | 'deregister'

/** Names of the field's event catalog (agent-behavior §4.7), said once each time they happen. */
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
  | { readonly type: 'discardSecrets'; readonly params: { readonly what: 'identity' | 'registering' } }
  | { readonly type: 'notice'; readonly params: { readonly notice: Notice; readonly detail?: string } }
