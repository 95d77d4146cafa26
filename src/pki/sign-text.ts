import { createHash, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import { parseSignedText, formatTextToSign, formatSignedText } from '../protocol/signed-text.ts'
import { isP256Key } from './p256-key.ts'
import type { Credential } from './certificate-generation.ts'
import { type ValidatedChain, ChainError, validateChain } from './chain-validation.ts'
import type { CertificateRole } from './roles.ts'

/** Signs the lines of an offline file with ES256 and adds the signer's certificates. */
export const signText = (lines: readonly string[], by: Credential): string =>
  signTextWithDigest(lines, by).text

/** Signs the lines of an offline file, and returns the digest of the signed text too: base64url. */
export function signTextWithDigest(
  lines: readonly string[],
  by: Credential,
): { text: string; digest: string } {
  const signed = formatTextToSign(lines, by.certificates)
  const key = by.privateKey
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return { text: formatSignedText(signed, signature), digest: digestText(signed) }
}

/** Offline file with a valid signature. */
export interface VerifiedText {
  readonly lines: readonly string[]
  readonly signer: ValidatedChain
  /** Digest of the signed text: base64url. */
  readonly digest: string
}

/**
 * Verifies an offline file: its format, its signature, and that the signer had the role under one of the roots.
 *
 * @param expected.what name of the file in error messages
 * @param expected.at returns, from the unverified lines, the instant at which the signer's chain must be valid
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED, SIGNED_FILE_UNTRUSTED,
 * SIGNED_FILE_SIGNER_EXPIRED
 */
export function verifyText(
  text: string,
  expected: {
    what: string
    title: string
    role: CertificateRole
    roots: readonly X509Certificate[]
    at: (lines: readonly string[]) => Instant
    maxLength?: number
  },
): VerifiedText {
  const { what, role, roots } = expected
  const { signed, lines, certificates, signature } = parseSignedText(text, expected)
  if (!isSignatureValid(signed, readPublicKey(certificates[0]), signature)) throw createAlteredError(what)
  const at = expected.at(lines)
  try {
    return { lines, signer: validateChain(certificates, { role, at, roots }), digest: digestText(signed) }
  } catch (error) {
    if (!(error instanceof ChainError)) throw error
    if (error.reason === 'dates')
      throw new LicensingError(
        'SIGNED_FILE_SIGNER_EXPIRED',
        `The ${what} cannot be used at ${toIsoString(at)}: ${error.message}.`,
      )
    throw new LicensingError('SIGNED_FILE_UNTRUSTED', `The ${what} cannot be used: ${error.message}.`)
  }
}

/** Signs the lines of a file without certificates. The verifier knows the key or reads it from the file. */
export function signTextByKey(
  lines: readonly string[],
  privateKey: KeyObject,
): { text: string; digest: string } {
  return signTextWithDigest(lines, { certificates: [], privateKey })
}

/**
 * Verifies a file without certificates.
 *
 * @param expected.key returns the key from the unverified lines; null if they name none
 * @returns the lines, and the digest of the signed text: base64url
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED
 */
export function verifyTextByKey(
  text: string,
  expected: {
    what: string
    title: string
    key: (lines: readonly string[]) => KeyObject | null
    maxLength?: number
  },
): { readonly lines: readonly string[]; readonly digest: string } {
  const { signed, lines, certificates, signature } = parseSignedText(text, expected)
  if (certificates.length > 0 || !isSignatureValid(signed, expected.key(lines), signature))
    throw createAlteredError(expected.what)
  return { lines, digest: digestText(signed) }
}

/** Computes the digest of a signed text: SHA-256 without the signature lines, base64url. */
const digestText = (signed: string): string => createHash('sha256').update(signed).digest('base64url')

const createAlteredError = (what: string) =>
  new LicensingError('SIGNED_FILE_ALTERED', `The ${what} was altered: its signature does not match its text.`)

function readPublicKey(certificate: string | undefined): KeyObject | null {
  try {
    return certificate === undefined ? null : new X509Certificate(certificate).publicKey
  } catch {
    return null
  }
}

function isSignatureValid(signed: string, key: KeyObject | null, signature: Buffer): boolean {
  if (!isP256Key(key)) return false
  return verify('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
}
