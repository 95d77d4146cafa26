import type { IncomingMessage } from 'node:http'
import { LicensingError } from '../core/errors.ts'
import { stripBrackets } from '../core/host-name.ts'

/** A host and an optional port (RFC 3986 §3.2.2, without user information). */
const HOST_PATTERN = /^(?:\[[0-9a-f:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d{0,5})?$/i

/**
 * Checks that a request has exactly one valid Host header (RFC 9112 §3.2). HTTP/1.0 clients, such as the health checks
 * of load balancers, may omit the header.
 *
 * @returns the error of the request, or null
 */
export function checkHostHeader({
  headers,
  rawHeaders,
  httpVersion,
}: IncomingMessage): LicensingError | null {
  const count = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  if (count > 1) return createError('The request has more than one Host header.')
  if (headers.host === undefined)
    return httpVersion === '1.0' ? null : createError('The request has no Host header.')
  return HOST_PATTERN.test(headers.host) ? null : createError('The Host header is not a host and a port.')
}

const createError = (message: string): LicensingError =>
  new LicensingError('REQUEST_MALFORMED', message, {
    remedy: 'Send the header Host once, as HOST or HOST:PORT.',
  })

/** Returns the host name or address in a valid Host header, in lower case, without port and brackets. */
export const readHostName = (header: string): string =>
  stripBrackets(header.replace(/:\d*$/, '')).toLowerCase()
