import type { KeyObject, X509Certificate } from 'node:crypto'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { hashAnswer } from '../protocol/digest.ts'
import { compareDelegations, type Delegation } from '../protocol/delegation.ts'
import {
  type Answer,
  answerSchema,
  PROTOCOL_VERSION,
  type SignedMessage,
  signedMessageSchema,
} from '../protocol/messages.ts'
import { ChainError, type ValidatedChain, validateChain } from '../pki/chain-validation.ts'
import { readCertificate } from '../pki/certificate-cache.ts'
import { verifyDelegation } from '../pki/delegation.ts'
import { applyRotations, type TrustAnchors } from '../pki/root-rotation.ts'
import { decodePayloadUnverified, verifyMessage, getCertificateChain } from '../pki/signed-message.ts'

/** Trusted root certificates, newest first, with their rotation statements. */
export interface TrustedRoots {
  readonly roots: readonly X509Certificate[]
  readonly anchors: TrustAnchors
}

/** Verified answer. The next request carries its hash. */
export type VerifiedAnswer = Answer & {
  readonly hash: string
  /** The answer as the authority signed it. */
  readonly signed: SignedMessage
  /** License time after this answer. A satellite cannot set it behind the time that the device knows has passed. */
  readonly now: Instant
  /** Delegation that a satellite presented. Null from a manager. */
  readonly delegation: Pick<Delegation, 'epoch' | 'sequence'> | null
  /** Trust anchors after a root rotation in the answer. Null when the answer has no newer root. */
  readonly anchors: TrustAnchors | null
}

/** @throws LicensingError ANSWER_MALFORMED for a lone surrogate, which has no canonical form (RFC 8785 §3.2.2.2) */
function computeAnswerHash(messageId: string, decision: unknown): string {
  try {
    return hashAnswer(messageId, decision)
  } catch {
    throw new LicensingError('ANSWER_MALFORMED', 'The answer contains text that is not valid Unicode.')
  }
}

interface AnswerExpectation {
  readonly type: Answer['type']
  readonly messageId: string
  readonly nonce: string
  readonly audience: string
  /** Null for a registration, whose answer tells which authority it is. */
  readonly authorityId: string | null
  readonly notBefore: Instant | null
  readonly epoch: number
  /** Newest delegation of the satellite that this device has seen. Older ones are rejected. */
  readonly delegation: Pick<Delegation, 'epoch' | 'sequence'> | null
  /** Lower bound of the current time: the last authority time plus the time that the device has run since. */
  readonly earliestNow: Instant
  /** Entitlements of an authorization request. Null for other requests. */
  readonly requestedEntitlements: readonly { readonly tag: string; readonly count: number }[] | null
}

/**
 * Verifies an answer: signature, signer, the signer's role and authority, direction, type, audience, request, nonce,
 * time and protocol version.
 *
 * @throws LicensingError of kind `answer`, or ANSWER_NOT_JSON. A rejected answer changes nothing
 */
export async function verifyAnswer(
  text: string,
  trusted: TrustedRoots,
  expected: AnswerExpectation,
): Promise<VerifiedAnswer> {
  const signed = signedMessageSchema.safeParse(parseJson(text))
  if (!signed.success) throw new LicensingError('ANSWER_MALFORMED', 'The answer is not a signed message.')
  const certificates = getCertificateChain(signed.data, 'sla-answer+jws')
  if (certificates === null)
    throw new LicensingError(
      'ANSWER_MALFORMED',
      'The signature of the answer does not have the format of this protocol.',
    )
  // Verify the signature before the certificate chain, so that no unsigned content is parsed.
  if (!(await verifyMessage(signed.data, 'sla-answer+jws', readLeafKey(certificates)))) {
    throw new LicensingError(
      'ANSWER_SIGNATURE_INVALID',
      'The signature of the answer does not match its content.',
    )
  }
  const raw = decodePayloadUnverified(signed.data)
  checkVersion(raw)
  const parsed = answerSchema.safeParse(raw, ENGLISH)
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.') ?? ''
    throw new LicensingError(
      'ANSWER_MALFORMED',
      `The answer does not match the protocol, at ${where || 'the top level'}.`,
    )
  }
  const answer = parsed.data
  const time = Date.parse(answer.time)
  const signer = checkSigner(certificates, trusted.roots, time)
  if (answer.direction !== 'answer')
    throw new LicensingError('ANSWER_WRONG_DIRECTION', 'The message is not an answer.')
  if (
    answer.authority.id !== signer.authorityId ||
    (expected.authorityId !== null && answer.authority.id !== expected.authorityId)
  ) {
    throw new LicensingError(
      'ANSWER_WRONG_AUTHORITY',
      'The answer is from another authority than the one this device is registered with.',
    )
  }
  if (answer.type !== expected.type)
    throw new LicensingError('ANSWER_WRONG_TYPE', `The answer is for a request of the type ${answer.type}.`)
  if (answer.audience !== expected.audience)
    throw new LicensingError('ANSWER_WRONG_AUDIENCE', 'The answer is addressed to another device.')
  if (answer.messageId !== expected.messageId)
    throw new LicensingError('ANSWER_WRONG_REQUEST', 'The answer belongs to another request.')
  if (answer.nonce !== expected.nonce)
    throw new LicensingError(
      'ANSWER_NONCE_MISMATCH',
      'The nonce of the answer belongs to an earlier attempt.',
    )
  // An authority that was restored from a backup has a later epoch, and its time may be earlier than before.
  const before = answer.epoch === expected.epoch && expected.notBefore !== null && time < expected.notBefore
  if (before || answer.epoch < expected.epoch) {
    throw new LicensingError('ANSWER_STALE', 'The answer is older than one already accepted.')
  }
  checkEntitlements(answer, expected.requestedEntitlements)
  const delegation = checkDelegation(
    answer,
    { signer, issuingCa: certificates[1] ?? '', roots: trusted.roots },
    expected,
  )
  // The hash covers the answer as sent, including members that a newer authority adds.
  const sent = raw as { decision: unknown }
  const hash = computeAnswerHash(answer.messageId, sent.decision)
  const satellite = signer.authorityId !== signer.managerId
  const now = satellite ? Math.max(time, expected.earliestNow) : time
  const anchors = applyRotations(trusted.anchors, answer.trustBundles ?? [], time)
  return {
    ...(delegation ? capDeadline(answer, delegation) : answer),
    hash,
    signed: signed.data,
    now,
    delegation,
    anchors: anchors === trusted.anchors ? null : anchors,
  }
}

/** Checks that an authorization covers exactly the requested entitlements and that its compliance matches them. */
function checkEntitlements(
  answer: Answer,
  requestedEntitlements: AnswerExpectation['requestedEntitlements'],
): void {
  if (answer.type !== 'authorize' || answer.decision.outcome !== 'accepted' || requestedEntitlements === null)
    return
  const { entitlements, compliance } = answer.decision
  const key = ({ tag, count }: { tag: string; count: number }) => `${tag} ${count}`
  const same =
    entitlements.length === requestedEntitlements.length &&
    new Set(entitlements.map(key)).size === entitlements.length &&
    requestedEntitlements.every((requested) => entitlements.some((row) => key(row) === key(requested)))
  const covered = entitlements.every(({ count, status }) => count === 0 || status === 'in-compliance')
  if (!same || covered !== (compliance === 'in-compliance'))
    throw new LicensingError(
      'ANSWER_MALFORMED',
      'The answer does not give the compliance of each requested tag.',
    )
}

/**
 * Checks the delegation of a satellite. A satellite's grants are valid only within the period and quantities of its
 * manager's delegation. A refusal needs no delegation.
 */
function checkDelegation(
  answer: Answer,
  by: { signer: ValidatedChain; issuingCa: string; roots: readonly X509Certificate[] },
  expected: AnswerExpectation,
): Delegation | null {
  const { authorityId, managerId, account } = by.signer
  if ((authorityId === managerId) !== (answer.authority.role === 'manager'))
    throw new LicensingError(
      'ANSWER_WRONG_AUTHORITY',
      'The role in the answer does not match the role of its signer.',
    )
  if (authorityId === managerId) return null
  const grants =
    answer.decision.outcome === 'accepted' && (answer.type === 'register' || answer.type === 'authorize')
  if (answer.mandate === null) {
    if (!grants) return null
    throw new LicensingError(
      'MANDATE_MISSING',
      'The answer of the satellite contains no delegation of its manager.',
    )
  }
  const { roots, issuingCa } = by
  const delegation = verifyDelegation(answer.mandate, { roots, satelliteId: authorityId, account, issuingCa })
  if (expected.delegation && compareDelegations(delegation, expected.delegation) < 0)
    throw new LicensingError(
      'MANDATE_SUPERSEDED',
      `The satellite sent delegation ${delegation.sequence} of epoch ${delegation.epoch}; this device has already seen ${expected.delegation.sequence} of epoch ${expected.delegation.epoch}.`,
    )
  if (!grants) return delegation
  // Do not use the satellite's clock alone: a stopped clock would make the delegation endless.
  if (Math.max(Date.parse(answer.time), expected.earliestNow) >= Date.parse(delegation.notAfter))
    throw new LicensingError(
      'MANDATE_EXPIRED',
      `The delegation of the satellite ended at ${delegation.notAfter}.`,
    )
  if (answer.type === 'authorize' && answer.decision.outcome === 'accepted')
    for (const { tag, count, status } of answer.decision.entitlements) {
      const given = delegation.quantities.find((quantity) => quantity.tag === tag)?.quantity ?? 0
      if (status === 'in-compliance' && count > given)
        throw new LicensingError(
          'MANDATE_EXCEEDED',
          `The satellite authorized ${count} licenses of ${tag}; its manager delegated ${given}.`,
        )
    }
  return delegation
}

/** Limits the deadline of an authorization to the end of the delegation. */
function capDeadline(answer: Answer, { notAfter }: Delegation): Answer {
  if (answer.type !== 'authorize' || answer.decision.outcome !== 'accepted') return answer
  const { deadlineAt } = answer.decision
  if (Date.parse(deadlineAt) <= Date.parse(notAfter)) return answer
  return { ...answer, decision: { ...answer.decision, deadlineAt: notAfter } }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new LicensingError('ANSWER_NOT_JSON', 'The answer is not JSON.')
  }
}

function checkVersion(raw: unknown): void {
  const protocol = typeof raw === 'object' && raw !== null && 'protocol' in raw ? raw.protocol : undefined
  if (typeof protocol === 'number' && protocol !== PROTOCOL_VERSION) {
    throw new LicensingError('ANSWER_PROTOCOL_VERSION', `The answer has protocol version ${protocol}.`)
  }
}

const untrustedSignerError = (reason: string) =>
  new LicensingError(
    'ANSWER_SIGNER_UNTRUSTED',
    `The answer is not signed by an authority that this device trusts: ${reason}.`,
  )

function readLeafKey(certificates: readonly string[]): KeyObject {
  try {
    return readCertificate(certificates[0] ?? '').publicKey
  } catch {
    throw untrustedSignerError('it contains no certificate')
  }
}

function checkSigner(
  certificates: readonly string[],
  roots: readonly X509Certificate[],
  at: Instant,
): ValidatedChain {
  try {
    return validateChain(certificates, { role: 'answer-signer', at, roots })
  } catch (error) {
    if (!(error instanceof ChainError)) throw error
    if (error.reason !== 'role') throw untrustedSignerError(error.message)
    throw new LicensingError(
      'ANSWER_SIGNER_ROLE',
      `The answer is signed with a certificate that is not valid for answers: ${error.message}.`,
    )
  }
}
