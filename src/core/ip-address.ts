import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { LicensingError } from './errors.ts'

/** Length of the network prefix that an IPv6 client has to itself (RFC 6177). */
const IPV6_CLIENT_PREFIX_BYTES = 8
const MAX_QUOTED_LENGTH = 100

/** IP networks, given as CIDR blocks. */
export interface NetworkList {
  includes(address: string): boolean
}

const NO_NETWORKS: readonly string[] = []

/** Parses an address. An IPv4-mapped IPv6 address becomes an IPv4 address. Returns null for anything else. */
function parse(text: string): ipaddr.IPv4 | ipaddr.IPv6 | null {
  // `ipaddr.process` alone would accept octal and shortened IPv4 addresses.
  return isIP(text) === 0 ? null : ipaddr.process(text)
}

/** Returns the canonical form of an IP address, or null for other text. */
export const toCanonicalAddress = (text: string): string | null => parse(text)?.toString() ?? null

/**
 * Returns the key by which limits count a client: an IPv4 address, or the /64 network of an IPv6 address. Other text is
 * its own key.
 */
export function toClientKey(address: string): string {
  const parsed = parse(address)
  if (parsed === null || parsed.kind() === 'ipv4') return parsed?.toString() ?? address
  const bytes = parsed.toByteArray()
  return `${ipaddr.fromByteArray([...bytes.slice(0, IPV6_CLIENT_PREFIX_BYTES), ...bytes.slice(IPV6_CLIENT_PREFIX_BYTES).fill(0)]).toString()}/64`
}

/**
 * Parses addresses and CIDR blocks, such as `10.0.0.0/8` or `2001:db8::/32`.
 *
 * @throws LicensingError INVALID_ARGUMENT, also for a block that contains every address
 */
export function parseNetworks(texts: readonly string[] = NO_NETWORKS): NetworkList {
  const networks = texts.map(parseNetwork)
  return {
    includes: (address) => {
      const parsed = parse(address)
      return (
        parsed !== null &&
        networks.some((network) => network[0].kind() === parsed.kind() && parsed.match(network))
      )
    },
  }
}

function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const [address = '', prefix, ...rest] = text.split('/')
  const parsed = parse(address)
  const bits = parsed?.kind() === 'ipv4' ? 32 : 128
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
  if (parsed && rest.length === 0 && length > 0 && length <= bits && address === stripMapping(address))
    return [parsed, length]
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text.slice(0, MAX_QUOTED_LENGTH))} is not a network. Use an IP address or a CIDR block, such as 10.0.0.0/8.`,
  )
}

/** Returns an address without the prefix of an IPv4-mapped address, whose prefix length would be ambiguous. */
const stripMapping = (address: string): string => address.replace(/^::ffff:/i, '')
