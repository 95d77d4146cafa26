import { createHash, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Instant, iso } from '../core/time.ts'
import { readSignedText, textToSign, writeSignedText } from '../protocol/signed-text.ts'
import type { Credential } from './certificate-generation.ts'
import { type Chained, ChainError, checkChain } from './chain-validation.ts'
import type { Role } from './roles.ts'

/** Signs the lines of a file that people carry; the signer's certificates become part of it. ES256. */
export const signText = (lines: readonly string[], by: Credential): string => signAndName(lines, by).text

/** The same, with the digest that names exactly what was signed: base64url. */
export function signAndName(lines: readonly string[], by: Credential): { text: string; digest: string } {
  const signed = textToSign(lines, by.certificates)
  const key = by.privateKey
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return { text: writeSignedText(signed, signature), digest: textDigest(signed) }
}

/** A file whose signature is right, and who signed it. */
export interface VerifiedText {
  readonly lines: readonly string[]
  readonly signer: Chained
  /** Names exactly what was signed: base64url. */
  readonly digest: string
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
    longest?: number
  },
): VerifiedText {
  const { what, role, roots } = expected
  const { signed, lines, certificates, signature } = readSignedText(text, expected)
  if (!fits(signed, keyOf(certificates[0]), signature)) throw altered(what)
  const at = expected.at(lines)
  try {
    return { lines, signer: checkChain(certificates, { role, at, roots }), digest: textDigest(signed) }
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

/** Signs the lines of a file by a key that the other side knows, or learns from the file: it holds no certificates. */
export function signTextByKey(
  lines: readonly string[],
  privateKey: KeyObject,
): { text: string; digest: string } {
  return signAndName(lines, { certificates: [], privateKey })
}

/**
 * Checks a file that names its own signer's key.
 *
 * @param key finds the key, given the lines, unchecked so far; null when they name none
 * @returns the lines, and the digest of exactly what was signed: base64url
 * @throws LicensingError SIGNED_FILE_MALFORMED, SIGNED_FILE_TRUNCATED, SIGNED_FILE_ALTERED
 */
export function verifyTextByKey(
  text: string,
  expected: {
    what: string
    title: string
    key: (lines: readonly string[]) => KeyObject | null
    longest?: number
  },
): { readonly lines: readonly string[]; readonly digest: string } {
  const { signed, lines, certificates, signature } = readSignedText(text, expected)
  if (certificates.length > 0 || !fits(signed, expected.key(lines), signature)) throw altered(expected.what)
  return { lines, digest: textDigest(signed) }
}

/** The digest that names a signed text: SHA-256 over its lines without the signature, base64url. */
const textDigest = (signed: string): string => createHash('sha256').update(signed).digest('base64url')

const altered = (what: string) =>
  new LicensingError('SIGNED_FILE_ALTERED', `The ${what} was altered: its signature does not fit its text.`)

function keyOf(certificate: string | undefined): KeyObject | null {
  try {
    return certificate === undefined ? null : new X509Certificate(certificate).publicKey
  } catch {
    return null
  }
}

function fits(signed: string, key: KeyObject | null, signature: Buffer): boolean {
  if (key?.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false
  return verify('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
}
