import { createPrivateKey, sign, verify, X509Certificate } from 'node:crypto'
import { LicensingError } from '../domain/errors.ts'
import { type Instant, iso } from '../domain/instant.ts'
import { readSignedText, textToSign, writeSignedText } from '../protocol/signed-text.ts'
import type { Credential } from './certificates.ts'
import { type Checked, ChainError, checkChain } from './chain.ts'
import type { Role } from './roles.ts'

/** Signs the lines of a file that people carry; the signer's certificates become part of it. ES256. */
export function signText(lines: readonly string[], by: Credential): string {
  const signed = textToSign(lines, by.certificates)
  const key = createPrivateKey(by.privateKey)
  return writeSignedText(signed, sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }))
}

/** A file whose signature is right, and who signed it. */
export interface VerifiedText {
  readonly lines: readonly string[]
  readonly signer: Checked
}

/**
 * Checks a file that people carry: its form, its signature over exactly these lines, and that whoever signed it had
 * that role of an authority under one of the roots, at that instant.
 *
 * @param at given the lines, unchecked so far, the instant at which the signer must have been good
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED, SIGNED_FILE_UNTRUSTED,
 * SIGNED_FILE_SIGNER_EXPIRED
 */
export function verifyText(
  text: string,
  expected: {
    what: string
    title: string
    role: Role
    roots: readonly X509Certificate[]
    at: (lines: readonly string[]) => Instant
  },
): VerifiedText {
  const { what, role, roots } = expected
  const { signed, lines, certificates, signature } = readSignedText(text, expected)
  const altered = () =>
    new LicensingError('SIGNED_FILE_ALTERED', `The ${what} was altered: its signature does not fit its text.`)
  if (!fits(signed, certificates[0], signature)) throw altered()
  const at = expected.at(lines)
  try {
    return { lines, signer: checkChain(certificates, { role, at, roots }) }
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    if (thrown.reason === 'dates')
      throw new LicensingError(
        'SIGNED_FILE_SIGNER_EXPIRED',
        `The ${what} cannot be used at ${iso(at)}: ${thrown.message}.`,
      )
    throw new LicensingError('SIGNED_FILE_UNTRUSTED', `The ${what} cannot be used: ${thrown.message}.`)
  }
}

function fits(signed: string, certificate: string | undefined, signature: Buffer): boolean {
  if (certificate === undefined) return false
  try {
    const key = new X509Certificate(certificate).publicKey
    return verify('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
  } catch {
    return false
  }
}
