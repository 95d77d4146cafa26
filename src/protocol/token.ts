import { createHmac, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { toCanonicalJson } from './digest.ts'

/**
 * Registration token, `SLT1.<account>.<id>.<secret>`: one word that never begins with a dash. Requests carry the
 * account and the id. The secret is never sent.
 */
export interface Token {
  readonly account: string
  readonly id: string
  readonly secret: string
}

const TOKEN_PATTERN = /^SLT1\.([A-Za-z0-9_-]{11})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/
/** Classic PAKs are eleven letters and digits; some vendors group them with dashes. */
const ACTIVATION_KEY_PATTERN = /^(?:[A-Z0-9]{11}|[A-Z0-9]{4,6}(?:-[A-Z0-9]{4,6}){2,7})$/i
const LICENSE_FILE_PATTERN =
  /^\s*(?:<\?xml|<(?:CISCO_WT_LICENSES|WT_LICENSES|specificPLR|smartLicense)\b)|\b(?:INCREMENT|FEATURE|UPGRADE)\s+\S+\s+\S+\s+\d|\bSERVER\s+\S+\s+\S+|\bVENDOR\s+\S+\s+\/|VENDOR_STRING\s*=|\bSIGN\d?=/i

export const formatToken = (token: Token): string => `SLT1.${token.account}.${token.id}.${token.secret}`

/**
 * Parses the text that a user typed or pasted as a token. White space, line breaks and their
 * URL-escaped forms are ignored.
 *
 * @throws LicensingError TOKEN_MISSING, TOKEN_IS_ACTIVATION_KEY, TOKEN_IS_LICENSE_FILE (R-TOK-5), TOKEN_MALFORMED
 */
export function parseToken(text: string): Token {
  if (text.trim() === '') throw new LicensingError('TOKEN_MISSING', 'The registration token is empty.')
  const word = text.replace(/%0[ad]/gi, '').replace(/\s+/g, '')
  const match = TOKEN_PATTERN.exec(word)
  if (match?.[1] && match[2] && match[3]) return { account: match[1], id: match[2], secret: match[3] }
  if (LICENSE_FILE_PATTERN.test(text)) {
    throw new LicensingError(
      'TOKEN_IS_LICENSE_FILE',
      'The text given is a license file, not a registration token.',
    )
  }
  if (ACTIVATION_KEY_PATTERN.test(word)) {
    throw new LicensingError(
      'TOKEN_IS_ACTIVATION_KEY',
      'The text given is a product activation key, not a registration token.',
    )
  }
  throw new LicensingError('TOKEN_MALFORMED', 'The text given is not a registration token.')
}

/** Parts of a registration that the token's MAC protects against changes in transit. */
export interface TokenClaim {
  readonly audience: string
  readonly nonce: string
  readonly certificateRequest: string
  readonly udi: { readonly pid: string; readonly version: string; readonly serial: string }
  readonly force: boolean
}

/** Computes HMAC-SHA256 over the claim. The key is the token's secret, which is proved without being sent. */
export function computeTokenMac(secret: string, claim: TokenClaim): string {
  const { audience, nonce, certificateRequest, udi, force } = claim
  const { pid, version, serial } = udi
  const text = toCanonicalJson({
    use: 'register',
    audience,
    nonce,
    certificateRequest,
    udi: { pid, version, serial },
    force,
  })
  return createHmac('sha256', Buffer.from(secret, 'base64url')).update(text).digest('base64url')
}

/** Verifies the MAC of a claim in constant time. */
export function verifyTokenMac(secret: string, claim: TokenClaim, mac: string): boolean {
  const expected = Buffer.from(computeTokenMac(secret, claim))
  const given = Buffer.from(mac)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
