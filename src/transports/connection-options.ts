import { stripBrackets } from '../core/host-name.ts'
import type { X509Certificate } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import type { ConnectStep, Deadlines, Destination, NameLookup, Proxy } from './connection.ts'
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
  /** Limit of a request or an answer in bytes. Default: 1 MiB */
  readonly maxBytes?: number
  readonly deadlines?: Partial<Deadlines>
  /** Clock that ends time limits, too, if it has timers. */
  readonly clock?: Pick<Clock, 'setTimer'>
  /** Resolver of host names. Default: the system's */
  readonly lookup?: NameLookup
  readonly observer?: ConnectionObserver
}

export function toDestination(options: ConnectionOptions): Destination {
  const { proxy, anchors, deadlines, clock, lookup } = options
  const { hostname, port } = new URL(options.url)
  return {
    host: stripBrackets(hostname),
    port: Number(port || 443),
    anchors,
    proxy,
    ...(deadlines && { deadlines }),
    ...(clock && { clock }),
    ...(lookup && { lookup }),
  }
}

/** Converts transport settings to connection options. */
export function toConnectionOptions(
  settings: TransportSettings,
  anchors: readonly string[],
  limits: Pick<ConnectionOptions, 'deadlines' | 'clock' | 'lookup'> = {},
): ConnectionOptions {
  const { url } = settings
  if (settings.kind !== 'proxy') return { url, proxy: null, anchors, ...limits }
  const { via, username = null, password = null } = settings
  return { url, proxy: { url: new URL(via), username, password }, anchors, ...limits }
}
