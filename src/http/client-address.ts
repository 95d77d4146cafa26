import type { IncomingMessage } from 'node:http'
import { toCanonicalAddress, type NetworkList } from '../core/ip-address.ts'

/**
 * Returns the address of the client that sent a request. Only trusted proxies may name another address than their own
 * in `X-Forwarded-For`, which is read from right to left.
 */
export function readClientAddress(request: IncomingMessage, trustedProxies: NetworkList): string {
  const { remoteAddress = '' } = request.socket
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',')
  let address = toCanonicalAddress(remoteAddress) ?? remoteAddress
  for (const hop of forwarded.split(',').reverse()) {
    if (!trustedProxies.includes(address)) break
    const named = parseForwardedAddress(hop)
    if (named === null) break
    address = named
  }
  return address
}

/** Parses an entry of `X-Forwarded-For`, to which some proxies add a port. Returns null for a name or `unknown`. */
function parseForwardedAddress(entry: string): string | null {
  const text = entry.trim()
  const [, host = text] = /^\[(.*)\](?::\d+)?$/.exec(text) ?? /^([\d.]+):\d+$/.exec(text) ?? []
  return toCanonicalAddress(host)
}
