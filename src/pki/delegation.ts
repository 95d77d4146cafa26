import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Delegation, delegationSchema } from '../protocol/delegation.ts'
import type { SignedMessage } from '../protocol/messages.ts'
import type { Credential } from './certificate-generation.ts'
import { ChainError, validateChain } from './chain-validation.ts'
import {
  decodePayloadUnverified,
  signMessage,
  getCertificateChain,
  verifySignature,
} from './signed-message.ts'

/** Computes the hash by which a delegation names the key of an issuing CA: SHA-256 of the SPKI, base64url. */
export const hashPublicKey = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')

/** Signs a delegation with the manager's synchronization signer: a JWS in compact serialization. */
export async function signDelegationJws(delegation: Delegation, by: Credential): Promise<string> {
  const message = await signMessage(delegation, { type: 'sla-mandate+jws', ...by })
  return `${message.protected}.${message.payload}.${message.signature}`
}

const createInvalidError = (why: string) =>
  new LicensingError('MANDATE_INVALID', `The delegation of the satellite cannot be used: ${why}.`)

/**
 * Verifies that a delegation was signed by the manager and issued to this satellite. The caller must check its end and
 * its age.
 *
 * @param by.roots root certificates of the manager
 * @param by.issuingCa certificate of the satellite's issuing CA: PEM
 * @throws LicensingError MANDATE_INVALID
 */
export function verifyDelegation(
  text: string,
  by: { roots: readonly X509Certificate[]; satelliteId: string; account: string; issuingCa: string },
): Delegation {
  const [head = '', payload = '', signature = '', ...rest] = text.split('.')
  const message: SignedMessage = { protected: head, payload, signature }
  const certificates = getCertificateChain(message, 'sla-mandate+jws')
  const delegation = delegationSchema.safeParse(decodePayloadUnverified(message))
  if (rest.length > 0 || certificates === null || !delegation.success)
    throw createInvalidError('it is malformed')
  const { satellite, account, issuingKey, issuedAt } = delegation.data
  const issuing = new X509Certificate(by.issuingCa).publicKey
  try {
    const signer = validateChain(certificates, { role: 'sync', at: Date.parse(issuedAt), roots: by.roots })
    if (!verifySignature(message, signer.certificate.publicKey))
      throw createInvalidError('its signature is not valid')
  } catch (error) {
    if (error instanceof ChainError) throw createInvalidError(error.message)
    throw error
  }
  if (satellite !== by.satelliteId || issuingKey !== hashPublicKey(issuing))
    throw createInvalidError('it was issued to another satellite')
  if (account !== by.account) throw createInvalidError('it was issued for another smart account')
  return delegation.data
}
