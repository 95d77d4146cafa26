import { errnoCode } from '../core/errno-code.ts'
import { type ErrorCode, LicensingError } from '../core/errors.ts'

/** Who a server said it was. */
export interface PeerCertificateNames {
  readonly subject: string
  readonly issuer: string
}

/** How the certificates of an authority's own CA are named: another issuer is somebody else's. */
const AUTHORITY_ISSUER_PREFIX = 'Smart Licensing '

/** The code in brackets, for whoever searches for it. */
const formatCodeSuffix = (code: string): string => (code === '' ? '' : ` (${code})`)

export const toDnsError = (error: unknown, host: string): LicensingError =>
  new LicensingError(
    'DNS_FAILED',
    `The name ${host} could not be resolved${formatCodeSuffix(errnoCode(error))}.`,
  )

const UNREACHABLE_CODES = [
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'EHOSTDOWN',
  'EACCES',
  'EPERM',
]

/** Why no connection was made to the authority, or a gateway, whose name is resolved. */
export function toConnectError(error: unknown, host: string): LicensingError {
  const code = errnoCode(error)
  if (code === 'ECONNREFUSED')
    return new LicensingError('CONNECTION_REFUSED', `${host} refused the connection.`)
  if (code === 'ETIMEDOUT')
    return new LicensingError('CONNECT_TIMED_OUT', `${host} did not take the connection in time.`)
  if (UNREACHABLE_CODES.includes(code))
    return new LicensingError('HOST_UNREACHABLE', `${host} cannot be reached${formatCodeSuffix(code)}.`)
  return new LicensingError('CONNECTION_RESET', `${host} closed the connection${formatCodeSuffix(code)}.`)
}

/** Why there is no connection to the proxy, or none any more. */
export function toProxyConnectError(error: unknown, via: string): LicensingError {
  const code = errnoCode(error)
  if (code.startsWith('HPE_'))
    return new LicensingError(
      'PROXY_FAILED',
      `What ${via} answered is not what an HTTP proxy answers (${code}).`,
    )
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new LicensingError('PROXY_FAILED', `The proxy ${via} closed the connection without an answer.`)
  if (code === 'ENOTFOUND' || code.startsWith('EAI_'))
    return new LicensingError(
      'PROXY_UNREACHABLE',
      `The name of the proxy ${via} could not be resolved (${code}).`,
    )
  if (code === 'ECONNREFUSED')
    return new LicensingError('PROXY_UNREACHABLE', `The proxy ${via} refused the connection.`)
  return new LicensingError(
    'PROXY_UNREACHABLE',
    `The proxy ${via} cannot be reached${formatCodeSuffix(code)}.`,
  )
}

/** Why there is no TLS with a proxy whose URL begins with https. */
export function toProxyTlsError(error: unknown, via: string): LicensingError {
  const code = errnoCode(error)
  if (isPlainText(code))
    return new LicensingError(
      'PROXY_TLS_FAILED',
      `The proxy ${via} answers without TLS, and its URL begins with https.`,
    )
  return new LicensingError('PROXY_TLS_FAILED', `TLS with the proxy ${via} failed${formatCodeSuffix(code)}.`)
}

/**
 * Why a proxy makes no tunnel, by its answer to CONNECT.
 *
 * @param known whether a user name was sent
 */
export function toProxyStatusError(
  status: number,
  via: string,
  known: boolean,
  offered: readonly string[] = [],
): LicensingError {
  const said = `The proxy ${via} answered ${status}`
  switch (status) {
    case 407:
      if (offered.length > 0 && !offered.includes('Basic')) {
        return new LicensingError(
          'PROXY_AUTHENTICATION_REFUSED',
          `${said}: it asks for ${offered.join(' or ')} authentication; this agent speaks Basic.`,
          {
            remedy:
              'Ask whoever runs the proxy to accept Basic authentication, or to let this box through without.',
          },
        )
      }
      return known
        ? new LicensingError(
            'PROXY_AUTHENTICATION_REFUSED',
            `${said}: it does not take this user name and password.`,
          )
        : new LicensingError(
            'PROXY_AUTHENTICATION_REQUIRED',
            `${said}: it asks for a user name and password.`,
          )
    case 401:
    case 403:
    case 405:
      return new LicensingError('PROXY_FORBIDDEN', `${said}: it does not allow a tunnel to the authority.`)
    case 504:
    case 408:
      return new LicensingError('PROXY_GATEWAY_TIMEOUT', `${said}: it got no answer from the authority.`)
    case 500:
    case 502:
    case 503:
      return new LicensingError(
        'PROXY_BAD_GATEWAY',
        `${said}: it could not reach the authority, or not resolve its name.`,
      )
    default:
      return new LicensingError('PROXY_FAILED', `${said}, which is no answer to a request for a tunnel.`)
  }
}

const isPlainText = (code: string): boolean =>
  code === 'EPROTO' ||
  ['WRONG_VERSION_NUMBER', 'HTTP_REQUEST', 'PACKET_LENGTH_TOO_LONG', 'UNKNOWN_PROTOCOL'].some((end) =>
    code.endsWith(end),
  )

/** Chains that lead to nobody. */
const UNTRUSTED_CODES = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'PERMITTED_SUBTREE_VIOLATION',
  'EXCLUDED_SUBTREE_VIOLATION',
  // What Node 20 calls the two before this.
  'UNSPECIFIED',
]

/** Why there is no TLS with the authority. */
export function toTlsError(
  error: unknown,
  host: string,
  presented: PeerCertificateNames | null,
  via?: string,
): LicensingError {
  const code = errnoCode(error)
  if (code === 'CERT_HAS_EXPIRED')
    return new LicensingError(
      'TLS_EXPIRED',
      `The certificate of ${host} has expired, by the clock of this box.`,
    )
  if (code === 'CERT_NOT_YET_VALID')
    return new LicensingError(
      'TLS_NOT_YET_VALID',
      `The certificate of ${host} is not valid yet, by the clock of this box.`,
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new LicensingError(
      'TLS_NAME_MISMATCH',
      `The certificate of ${host} is for another name${presented ? `, ${presented.subject}` : ''}.`,
    )
  if (UNTRUSTED_CODES.includes(code)) return createUntrustedError(code, host, presented)
  if (isPlainText(code))
    return via === undefined
      ? new LicensingError('TLS_PLAIN_TEXT', `${host} answers without TLS on that port.`)
      : new LicensingError(
          'PROXY_FAILED',
          `What comes through the tunnel of the proxy ${via} is not TLS: the proxy, or something before ${host}, answers itself.`,
        )
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new LicensingError(
      'CONNECTION_RESET',
      `${host} closed the connection during the TLS handshake${formatViaSuffix(via)}.`,
    )
  return new LicensingError('TLS_FAILED', `TLS with ${host} failed${formatCodeSuffix(code)}.`)
}

function createUntrustedError(
  code: string,
  host: string,
  presented: PeerCertificateNames | null,
): LicensingError {
  const foreign = presented !== null && !presented.issuer.startsWith(AUTHORITY_ISSUER_PREFIX)
  // Issued by somebody, and by no licensing authority: a middlebox that opens TLS, or a gateway with a CA of its own.
  if (foreign && code !== 'DEPTH_ZERO_SELF_SIGNED_CERT') {
    return new LicensingError(
      'TLS_INSPECTED',
      `The certificate presented for ${host} was issued by "${presented.issuer}", whom this box does not trust.`,
    )
  }
  const by = presented === null ? '' : `, by "${presented.issuer}"`
  return new LicensingError(
    'TLS_UNTRUSTED',
    `The certificate of ${host} was issued by nobody this box trusts${by} (${code}).`,
  )
}

/** Who may have done it, where a proxy stands between. */
export const formatViaSuffix = (via: string | undefined): string =>
  via === undefined ? '' : `, or the proxy ${via} did`

/** Why an exchange failed on a connection that was there. */
export function toExchangeError(
  error: unknown,
  host: string,
  state: { timedOut: boolean; begun: boolean; via?: string | undefined },
): LicensingError {
  if (error instanceof LicensingError && error.code !== 'TIMED_OUT') return error
  if (state.timedOut) {
    return state.begun
      ? new LicensingError(
          'ANSWER_TOO_SLOW',
          `The answer of ${host} began, and was not complete in the time allowed.`,
        )
      : new LicensingError('TIMED_OUT', `No answer came from ${host} within the time allowed.`)
  }
  if (error instanceof LicensingError) return error
  if (state.begun)
    return new LicensingError('ANSWER_TRUNCATED', `The answer of ${host} broke off in its middle.`)
  const code = errnoCode(error)
  if (code.startsWith('ERR_SSL_'))
    return new LicensingError('TLS_FAILED', `TLS with ${host} was ended (${code}).`)
  if (code.startsWith('HPE_'))
    return new LicensingError('ANSWER_NOT_HTTP', `What ${host} answered is not HTTP (${code}).`)
  return new LicensingError(
    'CONNECTION_RESET',
    `${host} closed the connection before it answered${formatViaSuffix(state.via)}${formatCodeSuffix(code)}.`,
  )
}

/** A status without a signed answer: never a refusal, whatever it says (trust §4). */
export function toStatusError(
  status: number,
  retryAfter: string | undefined,
  host: string,
  now: number,
): LicensingError {
  const retryAfterMs = parseRetryAfter(retryAfter, now)
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  const said = `${host} answered ${status} without a signed answer`
  const createError = (code: ErrorCode, what: string) => new LicensingError(code, `${said}${what}.`, options)
  if (status >= 300 && status < 400) return createError('REDIRECTED', ': it points elsewhere')
  if (status === 429) return createError('RATE_LIMITED', ': too many requests')
  if (status === 503) return createError('AUTHORITY_UNAVAILABLE', ': not available now')
  return status >= 500 ? createError('AUTHORITY_FAILED', '') : createError('AUTHORITY_REJECTED', '')
}

/** `Retry-After` in milliseconds (RFC 9110 §10.2.3): seconds, or a date. */
function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text.trim()) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
