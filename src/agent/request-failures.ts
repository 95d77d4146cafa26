import { randomBytes } from 'node:crypto'
import type { Event, Failure, RequestKind } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'

/** Refusals that say that the registration itself is over. */
const REVOCATION_CODES: readonly string[] = [
  'INSTANCE_UNKNOWN',
  'INSTANCE_REMOVED',
  'INSTANCE_REPLACED',
  'INSTANCE_EXPIRED',
]

/** How one request ended: the event for the machine, and what its caller is told; null when the request was accepted. */
export interface RequestResult {
  readonly event: (at: number) => Event
  readonly failure: LicensingError | null
}

/** A failed deregistration has ended the registration all the same: that is what a person must know of it. */
function describeFailure(kind: RequestKind, { code, message, remedy }: Failure): Failure {
  if (kind !== 'deregister') return { code, message, remedy }
  return {
    code,
    message: `The box is deregistered here, but not at its authority: ${message}`,
    remedy: 'Remove the product instance at the authority by hand, so that its licenses go back to the pool.',
  }
}

export function toRefusal(kind: RequestKind, decision: Failure): RequestResult {
  const failure = describeFailure(kind, decision)
  return {
    event: (at) => ({
      type: `${kind}.refused`,
      at,
      failure,
      ended: REVOCATION_CODES.includes(decision.code),
      again: decision.code === 'SATELLITE_OUT_OF_TOUCH',
    }),
    failure: LicensingError.fromDocument(failure),
  }
}

export function toUnreachable(kind: RequestKind, error: LicensingError): RequestResult {
  const failure = describeFailure(kind, error)
  const jitter = randomBytes(4).readUInt32BE() / 2 ** 32
  return {
    event: (at) => ({
      type: `${kind}.unreachable`,
      at,
      failure,
      jitter,
      retryAfter: error.retryAfterMs ?? null,
    }),
    failure: LicensingError.fromDocument(failure),
  }
}
