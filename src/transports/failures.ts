import { type ErrorCode, LicensingError } from '../domain/errors.ts'

const CODES: Record<string, ErrorCode> = {
  ENOTFOUND: 'DNS_FAILED',
  EAI_AGAIN: 'DNS_FAILED',
  EAI_NODATA: 'DNS_FAILED',
  ECONNREFUSED: 'CONNECTION_REFUSED',
  EHOSTUNREACH: 'HOST_UNREACHABLE',
  ENETUNREACH: 'HOST_UNREACHABLE',
  EADDRNOTAVAIL: 'HOST_UNREACHABLE',
  ECONNRESET: 'CONNECTION_RESET',
  EPIPE: 'CONNECTION_RESET',
  ECONNABORTED: 'CONNECTION_RESET',
  ETIMEDOUT: 'TIMED_OUT',
  CERT_HAS_EXPIRED: 'TLS_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_NOT_YET_VALID',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS_NAME_MISMATCH',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'TLS_UNTRUSTED',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS_UNTRUSTED',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS_UNTRUSTED',
  CERT_SIGNATURE_FAILURE: 'TLS_UNTRUSTED',
  CERT_UNTRUSTED: 'TLS_UNTRUSTED',
  CERT_REVOKED: 'TLS_UNTRUSTED',
  INVALID_CA: 'TLS_UNTRUSTED',
  INVALID_PURPOSE: 'TLS_UNTRUSTED',
  EPROTO: 'TLS_FAILED',
}

/**
 * A failure of the socket, TLS or HTTP client as one of the closed set. Only the code of the original is
 * looked at: its message, headers and body could carry secrets, and stay behind.
 *
 * @param original what was thrown, with Node's `code`
 * @param timedOut whether our own deadline ended the attempt
 */
export function transportFailure(original: unknown, host: string, timedOut: boolean): LicensingError {
  if (timedOut) {
    return new LicensingError('TIMED_OUT', `No complete answer came from ${host} within the time allowed.`)
  }
  const code = codeOf(original)
  const known =
    CODES[code] ?? (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') ? 'TLS_FAILED' : undefined)
  switch (known) {
    case undefined:
      return code === 'ERR_BAD_RESPONSE' || code === 'ERR_BAD_REQUEST'
        ? new LicensingError('CONNECTION_RESET', `The answer of ${host} broke off.`)
        : new LicensingError(
            'CONNECTION_RESET',
            `The exchange with ${host} failed (${code || 'no reason given'}).`,
          )
    case 'DNS_FAILED':
      return new LicensingError(
        known,
        `The name ${host.replace(/:\d+$/, '')} could not be resolved (${code}).`,
      )
    case 'CONNECTION_REFUSED':
      return new LicensingError(known, `${host} refused the connection.`)
    case 'HOST_UNREACHABLE':
      return new LicensingError(known, `${host} cannot be reached (${code}).`)
    case 'CONNECTION_RESET':
      return new LicensingError(known, `${host} closed the connection before the answer was complete.`)
    case 'TLS_EXPIRED':
      return new LicensingError(known, `The certificate of ${host} has expired, by the clock of this box.`)
    case 'TLS_NOT_YET_VALID':
      return new LicensingError(
        known,
        `The certificate of ${host} is not valid yet, by the clock of this box.`,
      )
    case 'TLS_NAME_MISMATCH':
      return new LicensingError(known, `The certificate of ${host} is for another name.`)
    case 'TLS_UNTRUSTED':
      return new LicensingError(
        known,
        `The certificate of ${host} was issued by nobody this box trusts (${code}).`,
      )
    case 'TLS_FAILED':
      return new LicensingError(known, `${host} does not speak TLS on that port as expected (${code}).`)
    default:
      return new LicensingError(known, `The exchange with ${host} failed (${code}).`)
  }
}

function codeOf(original: unknown): string {
  if (typeof original !== 'object' || original === null || !('code' in original)) return ''
  const { code } = original
  if (typeof code !== 'string') return ''
  // axios wraps the socket's error and keeps its code, except for these, where the cause knows better.
  if ((code === 'ERR_BAD_RESPONSE' || code === 'ERR_NETWORK') && 'cause' in original) {
    const inner = codeOf(original.cause)
    if (inner !== '') return inner
  }
  return code
}

/** A status without a signed answer: never a refusal, whatever it says (trust §4). */
export function statusFailure(
  status: number,
  retryAfter: string | undefined,
  host: string,
  now: number,
): LicensingError {
  const retryAfterMs = parseRetryAfter(retryAfter, now)
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  const said = `${host} answered ${status} without a signed answer`
  if (status >= 300 && status < 400) return new LicensingError('REDIRECTED', `${said}: it points elsewhere.`)
  if (status === 429) return new LicensingError('RATE_LIMITED', `${said}: too many requests.`, options)
  if (status === 503)
    return new LicensingError('AUTHORITY_UNAVAILABLE', `${said}: not available now.`, options)
  if (status >= 500) return new LicensingError('AUTHORITY_FAILED', `${said}.`, options)
  return new LicensingError('AUTHORITY_REJECTED', `${said}.`, options)
}

/** `Retry-After` in milliseconds (RFC 9110 §10.2.3): seconds, or a date. */
function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text.trim()) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
