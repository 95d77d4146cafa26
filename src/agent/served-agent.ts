import type { ClientFeed } from './client-feed.ts'
import type { AgentLogger } from './logger.ts'

/** Address on which a server listens. Port 0 selects a free port. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Options of `agent.serve`: the servers to start. */
export interface ServeOptions {
  /**
   * True for the control socket in the data directory. `smart-agent` commands and `SmartAgent.connect` then work on this
   * agent. Only processes of the same user can connect.
   */
  readonly control?: boolean
  /** Address of the web console (HTTPS). */
  readonly console?: ListenAddress & {
    /** Additional host names for the certificate. */
    readonly names?: readonly string[]
    /** Reverse proxies whose `X-Forwarded-For` names the client: addresses and CIDR blocks. */
    readonly trustedProxies?: readonly string[]
  }
  /** Address of `/metrics`, `/health` and `/ready` (HTTP). */
  readonly metrics?: ListenAddress & {
    /** Host names by which clients may ask for the metrics, besides IP addresses. */
    readonly hosts?: readonly string[]
  }
  /** Loopback address of the state machine inspector (WebSocket). */
  readonly inspect?: ListenAddress
  /** URL of an inspector that waits for applications, such as `ws://localhost:8080` of `createInspectorServer`. */
  readonly inspectTo?: string
}

/** Addresses of the servers of an agent. Null for a server that was not started. */
export interface ServedAddresses {
  /** URL of the web console. */
  readonly console: string | null
  /** SHA-256 fingerprint of the certificate of the web console. */
  readonly fingerprint: string | null
  /** File with the one-time password of the first user of the web console. Null after the password was changed. */
  readonly firstPasswordFile: string | null
  /** URL of the server for metrics, such as `http://127.0.0.1:9090`. Append `/metrics`, `/health` or `/ready`. */
  readonly metrics: string | null
  /** URL of the inspector, such as `ws://127.0.0.1:4444`. */
  readonly inspect: string | null
}

/** Servers that `agent.serve` has started. `agent.close()` closes them too. */
export interface ServedAgent extends ServedAddresses {
  /**
   * Accepts no new requests, and waits until those in progress are answered, for at most ten seconds. The readiness check
   * reports `draining`.
   */
  drain(): Promise<void>
  /** Closes the servers. The agent stays open. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Parts of an agent that its servers need. */
export interface ServersOptions {
  readonly dataDir: string
  readonly logger: AgentLogger
  readonly feed: ClientFeed
  readonly keepAlive: boolean
}

/** Starts the servers of one agent. */
export interface AgentServers {
  serve(options: ServeOptions): Promise<ServedAgent>
  /** Closes all servers. */
  close(): Promise<void>
}

/**
 * Creates the object that starts the servers of an agent. The entry point of the package supplies this function, because the
 * servers are in a higher layer and load only when a product uses them.
 */
export type CreateServers<Agent> = (agent: Agent, options: ServersOptions) => AgentServers
