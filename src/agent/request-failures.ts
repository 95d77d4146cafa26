import { randomBytes } from 'node:crypto'
import type { Event, Failure, RequestKind } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'

/** Codes of refusals with which the authority ends the registration. */
const REVOCATION_CODES: readonly string[] = [
  'INSTANCE_UNKNOWN',
  'INSTANCE_REMOVED',
  'INSTANCE_REPLACED',
  'INSTANCE_EXPIRED',
]

/** Outcome of a request: the event for the machine, and the failure for the caller. Null if accepted. */
export interface RequestResult {
  readonly event: (at: number) => Event
  readonly failure: LicensingError | null
}

/** Describes a failure. A failed deregistration has still ended the registration on the device. */
function describeFailure(kind: RequestKind, { code, message, remedy }: Failure): Failure {
  if (kind !== 'deregister') return { code, message, remedy }
  return {
    code,
    message: `The device was deregistered locally, but not at its authority: ${message}`,
    remedy: 'Remove the product instance at the authority, so that its licenses return to the pool.',
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
  const failure = describeFailure(kind, error.toJSON())
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
