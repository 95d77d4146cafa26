import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { toCanonicalJson } from './digest.ts'
import { decodeHumanCode, encodeHumanCode } from './human-code.ts'

const SECRET_BYTES = 16

/** A one-time code by which a satellite shows, at its first exchange, that the manager's people asked for it (trust §8). */
export const generateEnrollmentCode = (): string => encodeHumanCode(randomBytes(SECRET_BYTES))

/** Checks that a text is such a code, and gives its one spelling. @throws LicensingError CODE_MISTYPED, CODE_MALFORMED */
export const parseEnrollmentCode = (text: string): string =>
  encodeHumanCode(decodeHumanCode(text, 'one-time code'))

/** What the code vouches for: whose key it is that asks under the name. */
export interface EnrollmentClaim {
  readonly name: string
  readonly smartAccount: string
  readonly satelliteId: string
  readonly key: string
  readonly nonce: string
}

/** HMAC-SHA256 over the claim, keyed by the code: proves it without showing it. */
export function computeEnrollmentMac(code: string, claim: EnrollmentClaim): string {
  const { name, smartAccount, satelliteId, key, nonce } = claim
  const text = toCanonicalJson({ use: 'enrol', name, smartAccount, satelliteId, key, nonce })
  return createHmac('sha256', decodeHumanCode(code, 'one-time code')).update(text).digest('base64url')
}

/** Whether the proof is the claim's, in time that does not depend on where they differ. */
export function verifyEnrollmentMac(code: string, claim: EnrollmentClaim, mac: string): boolean {
  const expected = Buffer.from(computeEnrollmentMac(code, claim))
  const given = Buffer.from(mac)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
