import { randomBytes } from 'node:crypto'
import type { Event, Failure, RefusalConsequence, RequestKind } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'

/** Consequences of refusals, by code. A refusal with another code has none. */
const CONSEQUENCES: Readonly<Record<string, RefusalConsequence>> = {
  INSTANCE_UNKNOWN: 'end',
  INSTANCE_REMOVED: 'end',
  INSTANCE_REPLACED: 'end',
  INSTANCE_EXPIRED: 'end',
  INSTANCE_DIVERGED: 'divergence',
  // The agent sends its requests one at a time, so only a device that went back sends an older one.
  SEQUENCE_SUPERSEDED: 'divergence',
  SATELLITE_OUT_OF_TOUCH: 'repeat',
}

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
      consequence: CONSEQUENCES[decision.code] ?? 'none',
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
