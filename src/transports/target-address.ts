import { BlockList, isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Addresses to which the authority sends nothing on its own, such as link-local addresses, at which clouds serve the
 * credentials of machines.
 */
const forbiddenAddresses = new BlockList()
forbiddenAddresses.addSubnet('169.254.0.0', 16, 'ipv4')
forbiddenAddresses.addSubnet('0.0.0.0', 8, 'ipv4')
forbiddenAddresses.addSubnet('224.0.0.0', 3, 'ipv4')
forbiddenAddresses.addSubnet('192.0.0.0', 24, 'ipv4')
forbiddenAddresses.addAddress('100.100.100.200', 'ipv4')
forbiddenAddresses.addAddress('168.63.129.16', 'ipv4')
forbiddenAddresses.addSubnet('fe80::', 10, 'ipv6')
forbiddenAddresses.addSubnet('fec0::', 10, 'ipv6')
forbiddenAddresses.addSubnet('ff00::', 8, 'ipv6')
forbiddenAddresses.addAddress('fd00:ec2::254', 'ipv6')
forbiddenAddresses.addAddress('fd20:ce::254', 'ipv6')
forbiddenAddresses.addAddress('::', 'ipv6')

/** Positions of the bytes of an IPv4 address in an IPv6 address with a translation prefix of 48 to 96 bits (RFC 6052). */
const TRANSLATED_POSITIONS = [
  [6, 7, 9, 10],
  [7, 9, 10, 11],
  [9, 10, 11, 12],
  [12, 13, 14, 15],
] as const
const LAST_POSITIONS = [[12, 13, 14, 15]] as const

/** Networks whose IPv6 addresses contain an IPv4 address, to which a gateway or the system forwards. */
const TRANSLATED_NETWORKS: readonly {
  readonly network: string
  readonly positions: readonly (readonly number[])[]
  /** True where the bits of the IPv4 address are inverted. */
  readonly isInverted?: boolean
}[] = [
  // IPv4-compatible and IPv4-mapped addresses (RFC 4291), and those of stateless translation (RFC 7915).
  { network: '::/96', positions: LAST_POSITIONS },
  { network: '::ffff:0:0/96', positions: LAST_POSITIONS },
  { network: '::ffff:0:0:0/96', positions: LAST_POSITIONS },
  // NAT64 (RFC 6052), and its local prefix (RFC 8215).
  { network: '64:ff9b::/96', positions: LAST_POSITIONS },
  { network: '64:ff9b:1::/48', positions: TRANSLATED_POSITIONS },
  // 6to4 (RFC 3056) and Teredo (RFC 4380).
  { network: '2002::/16', positions: [[2, 3, 4, 5]] },
  { network: '2001::/32', positions: LAST_POSITIONS, isInverted: true },
]

/** Returns the IPv4 addresses that an IPv6 address may contain. */
function listContainedAddresses(address: ipaddr.IPv6): string[] {
  const bytes = address.toByteArray()
  return TRANSLATED_NETWORKS.filter(({ network }) => address.match(ipaddr.IPv6.parseCIDR(network))).flatMap(
    ({ positions, isInverted = false }) =>
      positions
        .map((position) => position.map((index) => (bytes[index] ?? 0) ^ (isInverted ? 0xff : 0)).join('.'))
        // With another prefix length than the network's own, the bytes are zero. `::1` is the loopback address.
        .filter((contained) => !contained.startsWith('0.0.') || isMapped(address)),
  )
}

const isMapped = (address: ipaddr.IPv6): boolean => address.isIPv4MappedAddress()

/**
 * Returns true if the authority may connect to an address that a person configured, as of a webhook or a mail server.
 * An IPv6 address is also checked as the IPv4 address that it contains.
 */
export function isAddressAllowed(address: string): boolean {
  if (isIP(address) === 4) return !forbiddenAddresses.check(address, 'ipv4')
  if (isIP(address) !== 6 || forbiddenAddresses.check(stripZone(address), 'ipv6')) return false
  return listContainedAddresses(ipaddr.IPv6.parse(stripZone(address))).every(isAddressAllowed)
}

/** A zone id names an interface of this machine. */
const stripZone = (address: string): string => address.replace(/%.*$/, '')
