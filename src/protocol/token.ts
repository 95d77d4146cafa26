import { createHmac, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { toCanonicalJson } from './digest.ts'

/**
 * A registration token: an id the wire may show, the smart account it is of, and a secret that never
 * travels. `SLT1.<account>.<id>.<secret>`, one word, never beginning with a dash.
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
 * Reads what a person typed or pasted where a token belongs. White space, line breaks and their
 * URL-escaped forms are not part of it.
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
      'A license file was given where a registration token belongs.',
    )
  }
  if (ACTIVATION_KEY_PATTERN.test(word)) {
    throw new LicensingError(
      'TOKEN_IS_ACTIVATION_KEY',
      'A product activation key was given where a registration token belongs.',
    )
  }
  throw new LicensingError('TOKEN_MALFORMED', 'The text given is not a registration token.')
}

/** What the token vouches for: the parts of a registration that may not change on the way. */
export interface TokenClaim {
  readonly audience: string
  readonly nonce: string
  readonly certificateRequest: string
  readonly udi: { readonly pid: string; readonly version: string; readonly serial: string }
  readonly force: boolean
}

/** HMAC-SHA256 over the claim, keyed by the token's secret: proves the secret without showing it (trust §5). */
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

/** Whether the MAC is the claim's, in time that does not depend on where they differ. */
export function verifyTokenMac(secret: string, claim: TokenClaim, mac: string): boolean {
  const expected = Buffer.from(computeTokenMac(secret, claim))
  const given = Buffer.from(mac)
  return expected.length === given.length && timingSafeEqual(expected, given)
}
