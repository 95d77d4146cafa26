import { stripBrackets } from '../core/host-name.ts'
import type { X509Certificate } from 'node:crypto'
import type { ConnectStep, Destination, Proxy, Timeouts } from './connection.ts'
import type { TransportSettings } from './transport.ts'

/** Observer of the connections that a transport opens. */
export interface ConnectionObserver {
  opening(): void
  /** @param found what the step found, for display */
  step(step: ConnectStep, found: string): void
}

/** Options of the connections to an authority. */
export interface ConnectionOptions {
  readonly url: string
  readonly proxy: Proxy | null
  /** PEM root certificates for TLS, in place of the system's. */
  readonly anchors: readonly string[]
  /** Returns the id of the authority that a verified TLS certificate names, or null if it names none. */
  readonly readAuthority?: (certificate: X509Certificate) => string | null
  /** Time limit of an exchange in milliseconds. */
  readonly deadline?: number
  /** Limit of a request or an answer in bytes. Default: 1 MiB */
  readonly maxBytes?: number
  readonly timeouts?: Partial<Timeouts>
  readonly observer?: ConnectionObserver
}

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

/** Converts transport settings to connection options. */
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
