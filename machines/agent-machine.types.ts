import type { Counts, Entitlement, Failure, Grant, Registration, Returned } from './agent-context.ts'
import type { Instant } from './time.ts'

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
