import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { toCanonicalJson } from './digest.ts'
import { decodeHumanCode, encodeHumanCode } from './human-code.ts'

const SECRET_BYTES = 16

/** Generates the one-time code that authorizes a satellite's first exchange with its manager. */
export const generateEnrollmentCode = (): string => encodeHumanCode(randomBytes(SECRET_BYTES))

/** Validates an enrollment code and returns its canonical form. @throws LicensingError CODE_MISTYPED, CODE_MALFORMED */
export const parseEnrollmentCode = (text: string): string =>
  encodeHumanCode(decodeHumanCode(text, 'one-time code'))

/** Claim that the code's MAC protects: the key that belongs to the satellite's name. */
export interface EnrollmentClaim {
  readonly name: string
  readonly smartAccount: string
  readonly satelliteId: string
  readonly key: string
  readonly nonce: string
}

/** Computes HMAC-SHA256 over the claim. The key is the code, which is proved without being sent. */
export function computeEnrollmentMac(code: string, claim: EnrollmentClaim): string {
  const { name, smartAccount, satelliteId, key, nonce } = claim
  const text = toCanonicalJson({ use: 'enrol', name, smartAccount, satelliteId, key, nonce })
  return createHmac('sha256', decodeHumanCode(code, 'one-time code')).update(text).digest('base64url')
}

/** Verifies the MAC of a claim in constant time. */
export function verifyEnrollmentMac(code: string, claim: EnrollmentClaim, mac: string): boolean {
  const expected = Buffer.from(computeEnrollmentMac(code, claim))
  const given = Buffer.from(mac)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
