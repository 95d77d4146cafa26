import { X509Certificate } from 'node:crypto'
import { hashAnswer } from '../../protocol/digest.ts'
import { answerSchema, type SignedMessage } from '../../protocol/messages.ts'
import { decodePayloadUnverified, getCertificateChain, verifyMessage } from '../../pki/signed-message.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { InstanceRow } from '../inventory/instances.ts'
import { isNewer } from './restore-review.ts'

/**
 * Thrown in an exchange when its device proves that the database is older than what this authority has answered: it was set
 * back to a snapshot, or restored by the tools of the database.
 */
export class RevertedDatabaseError extends Error {
  override readonly name = 'RevertedDatabaseError'
  /** Latest epoch that is proven. */
  readonly epoch: number

  constructor(epoch: number) {
    super('the database is older than an answer of this authority')
    this.epoch = epoch
  }
}

/**
 * Checks whether an answer that a device shows proves that the database went back: this authority signed it for this
 * instance, later than the last answer in the database. A copy of the device has only answers that the database knows or
 * that are older. The time of a satellite may be corrected backwards, so this holds for a manager alone.
 *
 * @throws RevertedDatabaseError
 */
export async function checkSignedAnswer(
  credentials: Credentials,
  instance: InstanceRow,
  signed: SignedMessage,
): Promise<void> {
  const [signer] = getCertificateChain(signed, 'sla-answer+jws') ?? []
  const payload = answerSchema.safeParse(decodePayloadUnverified(signed))
  if (signer === undefined || !payload.success) return
  const answer = payload.data
  const time = Date.parse(answer.time)
  const key = credentials.instanceCertificates.findAnswerKey(signer, time)
  if (key === undefined || !(await verifyMessage(signed, 'sla-answer+jws', key))) return
  const { id, epoch } = credentials.keyRing.identity
  // A refusal may be newer than the database: it is not recorded if it changes nothing.
  if (answer.decision.outcome === 'refused' || answer.type === 'register') return
  if (answer.authority.id !== id || answer.audience !== instance.id) return
  const hash = hashAnswer(answer.messageId, answer.decision)
  const isKnown = hash === instance.last_answer || hash === instance.previous_answer
  const isNewer = answer.epoch > epoch || (answer.epoch === epoch && time > instance.last_contact_at)
  if (!isKnown && isNewer) throw new RevertedDatabaseError(answer.epoch)
}

/**
 * Checks whether a certificate that this authority issued proves that the database went back: the database does not have
 * its instance, or only earlier certificates of it. Rows of instances are never deleted.
 *
 * @throws RevertedDatabaseError
 */
export function checkIssuedCertificate(
  credentials: Credentials,
  instance: InstanceRow | undefined,
  pem: string,
): void {
  if (instance !== undefined && instance.status !== 'active') return
  const certificate = new X509Certificate(pem)
  const known = [instance?.certificates, instance?.next_certificates].filter(
    (chain) => typeof chain === 'string',
  )
  if (known.every((chain) => isNewer(certificate, chain)))
    throw new RevertedDatabaseError(credentials.keyRing.identity.epoch)
}
