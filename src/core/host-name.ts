import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

const MAX_NAME_LENGTH = 253
const LABEL_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Returns the canonical form of a host name or IP address: lower case, IDN converted (RFC 5891), without brackets and
 * final dot. Null for anything else, such as a wildcard.
 */
export function parseHostName(text: string): string | null {
  const bare = text.trim()
  const address = stripBrackets(bare)
  // A zone id is valid on one machine only.
  if (address.includes('%')) return null
  if (isIP(address) === 4) return address
  if (isIP(address) === 6) return stripBrackets(new URL(`https://[${address}]`).hostname)
  const name = domainToASCII(bare.replace(/\.$/, '')).toLowerCase()
  if (name.length > MAX_NAME_LENGTH || isIP(name) !== 0) return null
  const labels = name.split('.')
  // URL parsers read a name whose last label has only digits as an address.
  return labels.every((label) => LABEL_PATTERN.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '')
    ? name
    : null
}

/** Checks whether a name or address is a loopback one. */
export const isLoopbackName = (name: string): boolean =>
  name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))

/** Loopback addresses and names. */
export const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', '::1', 'localhost']

/** Removes the brackets that a URL puts around an IPv6 address. */
export const stripBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')

/** Formats a host for a URL: an IPv6 address gets brackets. */
export const formatUrlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)
