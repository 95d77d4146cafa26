import { stripBrackets } from '../core/host-name.ts'
import type { X509Certificate } from 'node:crypto'
import type { Destination, Proxy, Timeouts } from './connection.ts'
import type { TransportSettings } from './transport.ts'

/** The road to an authority: its URL, by which proxy, and by what its TLS is checked. */
export interface ConnectionOptions {
  readonly url: string
  readonly proxy: Proxy | null
  /** PEM certificates that TLS is checked by; the system's own are not used. */
  readonly anchors: readonly string[]
  /** Reads whose server a certificate is of, which TLS has verified; null where it does not say. */
  readonly readAuthority?: (certificate: X509Certificate) => string | null
  /** Milliseconds for one whole exchange. */
  readonly deadline?: number
  /** Bytes that a request or an answer may have at most: 1 MiB unless given. */
  readonly maxBytes?: number
  readonly timeouts?: Partial<Timeouts>
}

/** Where a road's connections go. */
export function toDestination({ url, proxy, anchors, timeouts }: ConnectionOptions): Destination {
  const { hostname, port } = new URL(url)
  return {
    host: stripBrackets(hostname),
    port: Number(port || 443),
    anchors,
    proxy,
    ...(timeouts && { timeouts }),
  }
}

/** The road that settings describe, by the anchors given. */
export function toConnectionOptions(
  settings: TransportSettings,
  anchors: readonly string[],
  limits: Pick<ConnectionOptions, 'deadline' | 'timeouts'> = {},
): ConnectionOptions {
  const { url } = settings
  if (settings.kind !== 'proxy') return { url, proxy: null, anchors, ...limits }
  const { via, username = null, password = null } = settings
  return { url, proxy: { url: new URL(via), username, password }, anchors, ...limits }
}
