import type { AuthorizeAccepted, RegisterAccepted, RenewAccepted } from '../protocol/messages.ts'
import type { VerifiedAnswer } from './answer-verification.ts'
import type { Identity, PendingRequest, PendingRegistration } from './persisted-state.ts'
import { getCertificateExpiry, identityUpdateFrom } from './protocol-client.ts'
import { type RequestResult, toRefusal } from './request-failures.ts'

/** Outcome of a request, with the identity of the device after the request. */
interface RegisteredResult extends RequestResult {
  readonly identity: Identity
}

/** Returns the result of an accepted registration, with the new identity. */
export function toRegistrationResult(
  answer: VerifiedAnswer,
  accepted: RegisterAccepted,
  { key }: PendingRegistration,
): RegisteredResult {
  const { instanceId, smartAccount, virtualAccount, exportControlled, certificates } = accepted
  const expiresAt = getCertificateExpiry(certificates)
  const registration = { instanceId, smartAccount, virtualAccount, exportControlled, expiresAt }
  return {
    event: (at) => ({ type: 'register.accepted', at, registration: { ...registration, registeredAt: at } }),
    identity: {
      instanceId,
      account: smartAccount,
      authority: answer.authority,
      key,
      certificates: [...certificates],
      sequence: 0,
      mandate: null,
      ...identityUpdateFrom(answer),
      lastAnswer: null,
    },
    failure: null,
  }
}

/** Returns the result of a request of a registered device. */
export function toRequestResult(
  request: PendingRequest,
  identity: Identity,
  answer: VerifiedAnswer,
): RegisteredResult {
  const { decision } = answer
  const next: Identity = {
    ...identity,
    authority: answer.authority,
    sequence: request.sequence,
    ...identityUpdateFrom(answer),
  }
  if (decision.outcome === 'refused') {
    // With these refusals, neither the authority nor the device advances the sequence number.
    const keepsSequence = decision.code === 'INSTANCE_DIVERGED' || decision.code === 'SEQUENCE_SUPERSEDED'
    return { ...toRefusal(request.kind, decision), identity: keepsSequence ? identity : next }
  }
  const accepted = (event: RequestResult['event'], changed: Partial<Identity> = {}): RegisteredResult => ({
    event,
    identity: { ...next, ...changed },
    failure: null,
  })
  switch (request.kind) {
    case 'authorize':
      return accepted(toAuthorizedEvent(request, decision as AuthorizeAccepted))
    case 'renew': {
      const { certificates } = decision as RenewAccepted
      return accepted(
        (at) => ({ type: 'renew.accepted', at, expiresAt: getCertificateExpiry(certificates) }),
        {
          certificates: [...certificates],
          key: request.key ?? identity.key,
        },
      )
    }
    case 'acknowledge':
      return accepted((at) => ({ type: 'acknowledge.accepted', at }))
    case 'deregister':
      return accepted((at) => ({ type: 'deregister.accepted', at }))
  }
}

function toAuthorizedEvent(request: PendingRequest, accepted: AuthorizeAccepted): RequestResult['event'] {
  const { entitlements, compliance, deadlineAt, nextContactAt, smartAccount, virtualAccount } = accepted
  const requested = request.body.entitlements as { tag: string; count: number }[]
  const counts = Object.fromEntries(requested.map(({ tag, count }) => [tag, count]))
  return (at) => ({
    type: 'authorize.accepted',
    at,
    counts,
    compliant: compliance === 'in-compliance',
    entitlements,
    deadlineAt: Date.parse(deadlineAt),
    nextContactAt: nextContactAt === null ? null : Date.parse(nextContactAt),
    smartAccount,
    virtualAccount,
  })
}
