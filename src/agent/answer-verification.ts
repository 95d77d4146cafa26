import type { KeyObject, X509Certificate } from 'node:crypto'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { hashAnswer } from '../protocol/digest.ts'
import { compareDelegations, type Delegation } from '../protocol/delegation.ts'
import { type Answer, answerSchema, PROTOCOL_VERSION, signedMessageSchema } from '../protocol/messages.ts'
import { ChainError, type ValidatedChain, validateChain } from '../pki/chain-validation.ts'
import { readCertificate } from '../pki/certificate-cache.ts'
import { verifyDelegation } from '../pki/delegation.ts'
import { applyRotations, type TrustAnchors } from '../pki/root-rotation.ts'
import { decodePayloadUnverified, verifyMessage, getCertificateChain } from '../pki/signed-message.ts'

/** The roots that are trusted, the newest first, and the statements they came with. */
export interface TrustedRoots {
  readonly roots: readonly X509Certificate[]
  readonly anchors: TrustAnchors
}

/** An answer that was believed, with the hash that goes back with the next request. */
export type VerifiedAnswer = Answer & {
  readonly hash: string
  /** What the time is from here on: a satellite does not set it back behind what this box knows to have passed. */
  readonly now: Instant
  /** The mandate that a satellite has shown; null from a manager. */
  readonly delegation: Pick<Delegation, 'epoch' | 'sequence'> | null
  /** The roots that are believed from here on, where it brought newer ones; null where it did not. */
  readonly anchors: TrustAnchors | null
}

/** @throws LicensingError ANSWER_MALFORMED: of half a character there is no canonical form (RFC 8785 §3.2.2.2) */
function computeAnswerHash(messageId: string, decision: unknown): string {
  try {
    return hashAnswer(messageId, decision)
  } catch {
    throw new LicensingError('ANSWER_MALFORMED', 'The answer holds text that is none.')
  }
}

interface AnswerExpectation {
  readonly type: Answer['type']
  readonly messageId: string
  readonly nonce: string
  readonly audience: string
  /** Null at a registration, which learns it. */
  readonly authorityId: string | null
  readonly notBefore: Instant | null
  readonly epoch: number
  /** The newest mandate that this box has seen of the satellite: no older one counts. */
  readonly delegation: Pick<Delegation, 'epoch' | 'sequence'> | null
  /** What the time is at least, by how long this box has run since it was told the time. */
  readonly earliestNow: Instant
  /** What was asked to be authorized; null for other requests. */
  readonly requestedEntitlements: readonly { readonly tag: string; readonly count: number }[] | null
}

/**
 * Opens an answer, and believes it only when everything about it is as it must be: signature, signer, its
 * role and authority, direction, type, addressee, request, nonce, time, version.
 *
 * @throws LicensingError of kind `answer` or ANSWER_NOT_JSON: none of them changes anything
 */
export async function verifyAnswer(
  text: string,
  trusted: TrustedRoots,
  expected: AnswerExpectation,
): Promise<VerifiedAnswer> {
  const sealed = signedMessageSchema.safeParse(parseJson(text))
  if (!sealed.success) throw new LicensingError('ANSWER_MALFORMED', 'The answer is not a sealed message.')
  const certificates = getCertificateChain(sealed.data, 'sla-answer+jws')
  if (certificates === null)
    throw new LicensingError('ANSWER_MALFORMED', 'The seal of the answer is not of this protocol.')
  // Whose key it is comes after whether it fits: nothing is read that the seal does not cover.
  if (!(await verifyMessage(sealed.data, 'sla-answer+jws', readLeafKey(certificates)))) {
    throw new LicensingError('ANSWER_SIGNATURE_INVALID', 'The signature of the answer does not fit it.')
  }
  const raw = decodePayloadUnverified(sealed.data)
  checkVersion(raw)
  const parsed = answerSchema.safeParse(raw, ENGLISH)
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.') ?? ''
    throw new LicensingError(
      'ANSWER_MALFORMED',
      `The answer has not the form of the protocol, at ${where || 'its top'}.`,
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
      'The answer is of another authority than the one this box is registered with.',
    )
  }
  if (answer.type !== expected.type)
    throw new LicensingError('ANSWER_WRONG_TYPE', `The answer is to a request of the type ${answer.type}.`)
  if (answer.audience !== expected.audience)
    throw new LicensingError('ANSWER_WRONG_AUDIENCE', 'The answer is addressed to another box.')
  if (answer.messageId !== expected.messageId)
    throw new LicensingError('ANSWER_WRONG_REQUEST', 'The answer belongs to another request.')
  if (answer.nonce !== expected.nonce)
    throw new LicensingError('ANSWER_NONCE_MISMATCH', 'The answer was made for an earlier attempt.')
  // In a later epoch an authority may have gone back in time, by what it was shown (trust §9).
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
  // The hash is over what was sent, with whatever a newer authority may add to it.
  const sent = raw as { decision: unknown }
  const hash = computeAnswerHash(answer.messageId, sent.decision)
  const satellite = signer.authorityId !== signer.managerId
  const now = satellite ? Math.max(time, expected.earliestNow) : time
  const anchors = applyRotations(trusted.anchors, answer.trustBundles ?? [], time)
  return {
    ...(delegation ? capDeadline(answer, delegation) : answer),
    hash,
    now,
    delegation,
    anchors: anchors === trusted.anchors ? null : anchors,
  }
}

/** An authorization answers for each tag that was asked, as it was asked, and its sum is what its rows say. */
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
    requestedEntitlements.every((one) => entitlements.some((row) => key(row) === key(one)))
  const covered = entitlements.every(({ count, status }) => count === 0 || status === 'in-compliance')
  if (!same || covered !== (compliance === 'in-compliance'))
    throw new LicensingError(
      'ANSWER_MALFORMED',
      'The answer does not say of each tag that was asked how it stands.',
    )
}

/**
 * A satellite acts under the mandate of its manager: what it grants is believed for as long, and as far, as that goes
 * (trust §7). What it refuses needs none.
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
      'The answer is of an authority of another role than it says.',
    )
  if (authorityId === managerId) return null
  const grants =
    answer.decision.outcome === 'accepted' && (answer.type === 'register' || answer.type === 'authorize')
  if (answer.mandate === null) {
    if (!grants) return null
    throw new LicensingError('MANDATE_MISSING', 'The satellite shows no mandate of its manager.')
  }
  const { roots, issuingCa } = by
  const delegation = verifyDelegation(answer.mandate, { roots, satelliteId: authorityId, account, issuingCa })
  if (expected.delegation && compareDelegations(delegation, expected.delegation) < 0)
    throw new LicensingError(
      'MANDATE_SUPERSEDED',
      `The satellite shows mandate ${delegation.sequence} of epoch ${delegation.epoch}; this box has seen ${expected.delegation.sequence} of epoch ${expected.delegation.epoch}.`,
    )
  if (!grants) return delegation
  // Its own clock is not the measure: one that was stopped would make a mandate of ever.
  if (Math.max(Date.parse(answer.time), expected.earliestNow) >= Date.parse(delegation.notAfter))
    throw new LicensingError(
      'MANDATE_EXPIRED',
      `The mandate of the satellite ended at ${delegation.notAfter}.`,
    )
  if (answer.type === 'authorize' && answer.decision.outcome === 'accepted')
    for (const { tag, count, status } of answer.decision.entitlements) {
      const given = delegation.quantities.find((one) => one.tag === tag)?.quantity ?? 0
      if (status === 'in-compliance' && count > given)
        throw new LicensingError(
          'MANDATE_EXCEEDED',
          `The satellite says that ${count} of ${tag} are covered; its manager gave it ${given}.`,
        )
    }
  return delegation
}

/** No authorization outlasts the mandate that it was given under. */
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
    throw new LicensingError('ANSWER_PROTOCOL_VERSION', `The answer is of protocol version ${protocol}.`)
  }
}

const untrustedSignerError = (why: string) =>
  new LicensingError(
    'ANSWER_SIGNER_UNTRUSTED',
    `The answer is not signed by an authority this box trusts: ${why}.`,
  )

function readLeafKey(certificates: readonly string[]): KeyObject {
  try {
    return readCertificate(certificates[0] ?? '').publicKey
  } catch {
    throw untrustedSignerError('it names no certificate')
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
      `The answer is signed by a certificate that is not for answers: ${error.message}.`,
    )
  }
}
