import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Mandate, mandateSchema } from '../protocol/delegation.ts'
import type { Sealed } from '../protocol/messages.ts'
import type { Credential } from './certificate-generation.ts'
import { ChainError, checkChain } from './chain-validation.ts'
import { peek, seal, sealedCertificates, signatureFits } from './signed-message.ts'

/** How the holder of an issuing CA's key is named in its mandate: SHA-256 of its SPKI, base64url. */
export const keyDigest = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')

/** Signs a mandate by the manager's synchronisation signer: a JWS in its compact form. */
export async function signMandate(mandate: Mandate, by: Credential): Promise<string> {
  const sealed = await seal(mandate, { type: 'sla-mandate+jws', ...by })
  return `${sealed.protected}.${sealed.payload}.${sealed.signature}`
}

const invalid = (why: string) =>
  new LicensingError('MANDATE_INVALID', `The mandate of the satellite cannot be used: ${why}.`)

/**
 * Checks that a mandate is the manager's, and of exactly this satellite. Whether it still lasts, and whether it is the
 * newest, is for the caller.
 *
 * @param roots of the manager, whose own signer must have signed it
 * @param issuingCa the certificate of the satellite's issuing CA: PEM
 * @throws LicensingError MANDATE_INVALID
 */
export function verifyMandate(
  text: string,
  by: { roots: readonly X509Certificate[]; satelliteId: string; account: string; issuingCa: string },
): Mandate {
  const [head = '', payload = '', signature = '', ...rest] = text.split('.')
  const sealed: Sealed = { protected: head, payload, signature }
  const certificates = sealedCertificates(sealed, 'sla-mandate+jws')
  const mandate = mandateSchema.safeParse(peek(sealed))
  if (rest.length > 0 || certificates === null || !mandate.success) throw invalid('it is not of its form')
  const { satellite, account, issuingKey, issuedAt } = mandate.data
  const issuing = new X509Certificate(by.issuingCa).publicKey
  try {
    const signer = checkChain(certificates, { role: 'sync', at: Date.parse(issuedAt), roots: by.roots })
    if (!signatureFits(sealed, signer.certificate.publicKey)) throw invalid('its signature does not fit it')
  } catch (thrown) {
    if (thrown instanceof ChainError) throw invalid(thrown.message)
    throw thrown
  }
  if (satellite !== by.satelliteId || issuingKey !== keyDigest(issuing))
    throw invalid('it is of another satellite')
  if (account !== by.account) throw invalid('it is for another smart account')
  return mandate.data
}
