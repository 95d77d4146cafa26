import { errnoCode } from '../core/errno-code.ts'
import { type ErrorCode, LicensingError } from '../core/errors.ts'

/** Subject and issuer of the certificate that a server presented. */
export interface PeerCertificateNames {
  readonly subject: string
  readonly issuer: string
}

/** Common prefix of the names of authorities' CAs. Another issuer indicates a middlebox or a gateway. */
const AUTHORITY_ISSUER_PREFIX = 'Smart Licensing '

/** Formats the system's error code, so that users can search for it. */
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

/** Converts an error of the TCP connection to the authority or a gateway. */
export function toConnectError(error: unknown, host: string): LicensingError {
  const code = errnoCode(error)
  if (code === 'ECONNREFUSED')
    return new LicensingError('CONNECTION_REFUSED', `${host} refused the connection.`)
  if (code === 'ETIMEDOUT')
    return new LicensingError('CONNECT_TIMED_OUT', `${host} did not accept the connection in time.`)
  if (UNREACHABLE_CODES.includes(code))
    return new LicensingError('HOST_UNREACHABLE', `${host} cannot be reached${formatCodeSuffix(code)}.`)
  return new LicensingError('CONNECTION_RESET', `${host} closed the connection${formatCodeSuffix(code)}.`)
}

/** Converts an error of the connection to the proxy. */
export function toProxyConnectError(error: unknown, via: string): LicensingError {
  const code = errnoCode(error)
  if (code.startsWith('HPE_'))
    return new LicensingError('PROXY_FAILED', `${via} did not answer as an HTTP proxy (${code}).`)
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

/** Converts an error of TLS to a proxy with an https URL. */
export function toProxyTlsError(error: unknown, via: string): LicensingError {
  const code = errnoCode(error)
  if (isPlainText(code))
    return new LicensingError(
      'PROXY_TLS_FAILED',
      `The proxy ${via} answers without TLS, although its URL begins with https.`,
    )
  return new LicensingError('PROXY_TLS_FAILED', `TLS with the proxy ${via} failed${formatCodeSuffix(code)}.`)
}

/**
 * Converts the status of a proxy's answer to CONNECT.
 *
 * @param hasUserName true if a user name was sent
 * @param offered authentication schemes that the proxy offers
 */
export function toProxyStatusError(
  status: number,
  via: string,
  hasUserName: boolean,
  offered: readonly string[] = [],
): LicensingError {
  const statusText = `The proxy ${via} answered ${status}`
  switch (status) {
    case 407:
      if (offered.length > 0 && !offered.includes('Basic')) {
        return new LicensingError(
          'PROXY_AUTHENTICATION_REFUSED',
          `${statusText}: it requires ${offered.join(' or ')} authentication, and the agent supports only Basic.`,
          {
            remedy:
              'Ask the administrator of the proxy to accept Basic authentication, or to exempt this device.',
          },
        )
      }
      return hasUserName
        ? new LicensingError(
            'PROXY_AUTHENTICATION_REFUSED',
            `${statusText}: it rejected the user name and password.`,
          )
        : new LicensingError(
            'PROXY_AUTHENTICATION_REQUIRED',
            `${statusText}: it requires a user name and password.`,
          )
    case 401:
    case 403:
    case 405:
      return new LicensingError(
        'PROXY_FORBIDDEN',
        `${statusText}: it does not allow a tunnel to the authority.`,
      )
    case 504:
    case 408:
      return new LicensingError(
        'PROXY_GATEWAY_TIMEOUT',
        `${statusText}: it got no answer from the authority.`,
      )
    case 500:
    case 502:
    case 503:
      return new LicensingError(
        'PROXY_BAD_GATEWAY',
        `${statusText}: it could not reach the authority or resolve its name.`,
      )
    default:
      return new LicensingError('PROXY_FAILED', `${statusText}, which is not a valid answer to CONNECT.`)
  }
}

const isPlainText = (code: string): boolean =>
  code === 'EPROTO' ||
  ['WRONG_VERSION_NUMBER', 'HTTP_REQUEST', 'PACKET_LENGTH_TOO_LONG', 'UNKNOWN_PROTOCOL'].some((end) =>
    code.endsWith(end),
  )

/** OpenSSL's codes for certificate chains that are not trusted. */
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
  // Node 20 reports the two subtree violations with this code.
  'UNSPECIFIED',
]

/** Converts an error of TLS with the authority. */
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
      `The certificate of ${host} has expired, according to the clock of this device.`,
    )
  if (code === 'CERT_NOT_YET_VALID')
    return new LicensingError(
      'TLS_NOT_YET_VALID',
      `The certificate of ${host} is not valid yet, according to the clock of this device.`,
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
          `The tunnel of the proxy ${via} does not carry TLS: the proxy, or a server before ${host}, answers in place of ${host}.`,
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
  const isForeign = presented !== null && !presented.issuer.startsWith(AUTHORITY_ISSUER_PREFIX)
  // The issuer is not a licensing authority: a middlebox that inspects TLS, or a gateway with its own CA.
  if (isForeign && code !== 'DEPTH_ZERO_SELF_SIGNED_CERT') {
    return new LicensingError(
      'TLS_INSPECTED',
      `The certificate presented for ${host} was issued by "${presented.issuer}", which this device does not trust.`,
    )
  }
  const issuerText = presented === null ? '' : `, issued by "${presented.issuer}",`
  return new LicensingError(
    'TLS_UNTRUSTED',
    `The certificate of ${host}${issuerText} is not trusted by this device (${code}).`,
  )
}

/** Names the proxy as another possible cause of an error. */
export const formatViaSuffix = (via: string | undefined): string =>
  via === undefined ? '' : `, or the proxy ${via} did`

/** Creates the error for a request that a mock in this process neither answered nor let through. */
export const createInterceptedError = (url: string): LicensingError =>
  new LicensingError(
    'REQUEST_INTERCEPTED',
    `A mock in this process (MSW) intercepted the request to ${url} and has no handler for it.`,
  )

/** Creates the error of an answer from a mock in this process, to a request that had to go through a proxy. */
export const createUnusedProxyError = (url: string, via: string): LicensingError =>
  new LicensingError(
    'REQUEST_INTERCEPTED',
    `A mock in this process (MSW) answered the request to ${url}, so the proxy ${via} was not used.`,
    {
      remedy:
        'Mock a proxy with real connections: createTestBed({ proxy }), or listen() of createMockAuthority.',
    },
  )

/** Converts an error of an exchange over an open connection. */
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
          `The answer of ${host} started, but was not complete within the time limit.`,
        )
      : new LicensingError('TIMED_OUT', `${host} did not answer within the time limit.`)
  }
  if (error instanceof LicensingError) return error
  if (state.begun)
    return new LicensingError('ANSWER_TRUNCATED', `The answer of ${host} was cut off before its end.`)
  const code = errnoCode(error)
  if (code.startsWith('ERR_SSL_'))
    return new LicensingError('TLS_FAILED', `TLS with ${host} was ended (${code}).`)
  if (code.startsWith('HPE_'))
    return new LicensingError('ANSWER_NOT_HTTP', `The answer of ${host} is not HTTP (${code}).`)
  return new LicensingError(
    'CONNECTION_RESET',
    `${host} closed the connection before it answered${formatViaSuffix(state.via)}${formatCodeSuffix(code)}.`,
  )
}

/**
 * Converts an HTTP status without a signed answer. Such a status is never a refusal by the authority, because
 * refusals are signed.
 */
export function toStatusError(
  status: number,
  retryAfter: string | undefined,
  host: string,
  now: number,
): LicensingError {
  const retryAfterMs = parseRetryAfter(retryAfter, now)
  const options = retryAfterMs === undefined ? {} : { retryAfterMs }
  const statusText = `${host} answered ${status} without a signed answer`
  const createError = (code: ErrorCode, detail: string) =>
    new LicensingError(code, `${statusText}${detail}.`, options)
  if (status >= 300 && status < 400) return createError('REDIRECTED', ': it redirects to another address')
  if (status === 429) return createError('RATE_LIMITED', ': it received too many requests')
  if (status === 503) return createError('AUTHORITY_UNAVAILABLE', ': it is not available now')
  return status >= 500 ? createError('AUTHORITY_FAILED', '') : createError('AUTHORITY_REJECTED', '')
}

/** Parses `Retry-After` (RFC 9110 §10.2.3), which is in seconds or a date, to milliseconds. */
function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text.trim())) return Number(text.trim()) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
