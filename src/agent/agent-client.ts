import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { countSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'
import { validate } from '../core/validate.ts'
import { withTimeout } from '../transports/deadline.ts'
import { ControlClient } from './control-client.ts'
import type { ClientUpdate } from './client-feed.ts'
import type { AgentEvent } from './event-catalog.ts'
import type { Explanation } from './explain.ts'
import type { HistoryRow } from './history-table.ts'
import { Listeners } from './listeners.ts'
import { adaptLogger, type AgentLogger } from './logger.ts'
import type { RegisterOptions, RequestOptions } from './registration-requests.ts'
import type { Status } from './status.ts'
import { UsageOutbox } from './usage-outbox.ts'
import { ALLOWED, evaluatePolicy, isLicenseManagement, type PolicyDecision, refuse } from './usage-policy.ts'

/** Options of `SmartAgent.connect`. */
export interface ConnectOptions {
  /** Milliseconds to wait for an agent that serves its control socket. Default: 5000. */
  readonly timeoutMs?: number
  /** True to connect again after the agent has ended. Default: true. */
  readonly reconnect?: boolean
  /** False to let the process end while the client is connected and no request is in progress. Default: true. */
  readonly keepAlive?: boolean
  readonly logger?: AgentLogger
  /** Measures for how long the client has lost its agent. For tests. */
  readonly clock?: Clock
}

/** Events that a client emits. */
export interface ClientEventMap<ClientStatus = Status> {
  /** Emitted when the license state or any other part of the status has changed, and after each new connection. */
  state: [status: ClientStatus]
  notice: [notice: AgentEvent]
  /** Emitted for each new row of the history, including those that were added while the client was disconnected. */
  transition: [row: HistoryRow]
  connection: [connection: 'connected' | 'disconnected']
}

/** Time that `close` waits for counts that are in flight. */
const CLOSE_TIMEOUT_MS = 5 * SECOND
const POLICY_EXPIRED_REASON =
  'The licensing agent of this product does not run, and its last policy has expired.'

const noticesSchema = z.array(
  z.object({
    notice: z.custom<AgentEvent['notice']>((value) => typeof value === 'string'),
    message: z.string(),
    severity: z.union([z.literal(3), z.literal(4), z.literal(5), z.literal(6)]),
  }),
)

/**
 * Client of an agent that another process of the product has opened, over the control socket. The agent sends its state and
 * policy with each change, so `status` and `allows` answer from memory.
 */
export class AgentClient<StatusPart extends object = object> {
  readonly #connection: ControlClient
  readonly #outbox: UsageOutbox
  readonly #listeners: Listeners<ClientEventMap<Status & StatusPart>>
  readonly #clock: Clock
  #update: ClientUpdate | null = null
  #receivedAt = { monotonic: 0, uptime: 0 }
  #closing: Promise<void> | null = null

  /** @param connection is not open yet */
  constructor(connection: ControlClient, { clock, logger }: { clock: Clock; logger: AgentLogger }) {
    this.#clock = clock
    this.#listeners = new Listeners(logger)
    this.#connection = connection
    this.#outbox = new UsageOutbox((tag, count) => this.#connection.request('usage-set', { tag, count }))
    this.#connection.events.on('connected', (update) => {
      const isFirst = this.#update === null
      this.#receive(update)
      if (!isFirst) this.#listeners.emit('connection', 'connected')
      this.#announce(update)
      this.#outbox.flush()
    })
    this.#connection.events.on('update', (update) => {
      this.#receive(update)
      this.#announce(update)
    })
    this.#connection.events.on('disconnected', () => {
      if (this.#closing === null) this.#listeners.emit('connection', 'disconnected')
    })
  }

  #receive(update: ClientUpdate): void {
    this.#update = update
    this.#receivedAt = { monotonic: this.#clock.monotonic(), uptime: this.#clock.uptime() }
  }

  #announce(update: ClientUpdate): void {
    if (this.#closing !== null) return
    for (const row of update.rows) {
      const notices = noticesSchema.safeParse(JSON.parse(row.notices))
      for (const notice of notices.data ?? []) this.#listeners.emit('notice', { at: row.at, ...notice })
      this.#listeners.emit('transition', row)
    }
    if (update.isStateChange) this.#listeners.emit('state', this.#toStatus(update))
  }

  /** @throws LicensingError AGENT_CLOSED */
  #requireUpdate(): ClientUpdate {
    if (this.#closing !== null || this.#update === null) throw clientClosedError()
    return this.#update
  }

  /** Checks whether the agent is lost, and the policy that it sent last has ended. */
  #isPolicyExpired({ policyLifetimeMs }: ClientUpdate): boolean {
    if (this.#connection.isConnected || policyLifetimeMs === null) return false
    return this.#getElapsed() >= policyLifetimeMs
  }

  /** Milliseconds since the last update of the agent. */
  #getElapsed(): number {
    const { monotonic, uptime } = this.#receivedAt
    return Math.max(this.#clock.monotonic() - monotonic, this.#clock.uptime() - uptime)
  }

  /** Returns the Status document that the agent sent last. Do not change it. @throws LicensingError AGENT_CLOSED */
  status(): Status & StatusPart {
    return this.#toStatus(this.#requireUpdate())
  }

  #toStatus(update: ClientUpdate): Status & StatusPart {
    const status = update.status as Status & StatusPart
    if (!this.#isPolicyExpired(update) || status.functionality !== 'full') return status
    return { ...status, functionality: 'license-management-only', functionalityReason: POLICY_EXPIRED_REASON }
  }

  /**
   * Checks whether an action is allowed now, by the policy that the agent sent last. A client that has lost its agent keeps
   * the policy until the deadline that came with it, and then allows only license management. Refusals of a product module
   * are included if the module lists them (`ModuleState.deniedActions`).
   *
   * @throws LicensingError AGENT_CLOSED
   */
  allows(action: string): PolicyDecision {
    const update = this.#requireUpdate()
    if (!this.#isPolicyExpired(update)) return evaluatePolicy(update.policy, action)
    return isLicenseManagement(action) ? ALLOWED : refuse(POLICY_EXPIRED_REASON)
  }

  /**
   * Returns for how many milliseconds `allows` keeps its answers if the agent is lost now, at most 90 days. 0 after that time.
   * Null if only license management is allowed, which does not end.
   *
   * @throws LicensingError AGENT_CLOSED
   */
  getPolicyLifetimeMs(): number | null {
    const { policyLifetimeMs } = this.#requireUpdate()
    return policyLifetimeMs === null ? null : Math.max(0, policyLifetimeMs - this.#getElapsed())
  }

  /** Asks the agent whether an action is allowed now, including all refusals of the product module. @throws LicensingError */
  async askAllows(action: string): Promise<PolicyDecision> {
    return (await this.#request('allows', { action })) as PolicyDecision
  }

  /**
   * Sets how many licenses of a tag the product uses. The count is absolute for all processes of the product, and the last
   * one stays. Resolves when the agent has stored this count or a newer one of this client. Without an agent, the newest
   * count is kept and sent at the next connection.
   *
   * @throws LicensingError as `SmartAgent.setUsage`, and AGENT_CLOSED
   */
  async setUsage(tag: string, count: number): Promise<void> {
    this.#requireUpdate()
    await this.#outbox.set(tag, validate(countSchema, count, `count of ${tag}`))
  }

  /** @see SmartAgent.register */
  register(token: string, options: RegisterOptions = {}): Promise<Status & StatusPart> {
    return this.#requestStatus('register', { token, ...options })
  }

  /** @see SmartAgent.reregister */
  reregister(token: string, options: RegisterOptions = {}): Promise<Status & StatusPart> {
    return this.#requestStatus('reregister', { token, ...options })
  }

  /** @see SmartAgent.deregister */
  deregister(options: RequestOptions = {}): Promise<Status & StatusPart> {
    return this.#requestStatus('deregister', options)
  }

  /** @see SmartAgent.renewRegistration */
  renewRegistration(options: RequestOptions = {}): Promise<Status & StatusPart> {
    return this.#requestStatus('renew-registration', options)
  }

  /** @see SmartAgent.renewAuthorization */
  renewAuthorization(options: RequestOptions = {}): Promise<Status & StatusPart> {
    return this.#requestStatus('renew-authorization', options)
  }

  /** @see SmartAgent.flushUsage */
  async flushUsage(): Promise<void> {
    await this.#request('usage-flush')
  }

  /** @see SmartAgent.explain */
  async explain(): Promise<Explanation> {
    return (await this.#request('explain')) as Explanation
  }

  /** @see SmartAgent.history */
  async history(limit = 100, after = 0): Promise<HistoryRow[]> {
    return (await this.#request('history', { limit, after })) as HistoryRow[]
  }

  async #requestStatus(verb: string, params: object): Promise<Status & StatusPart> {
    return (await this.#request(verb, params)) as Status & StatusPart
  }

  async #request(verb: string, params: object = {}): Promise<unknown> {
    this.#requireUpdate()
    return this.#connection.request(verb, params)
  }

  /** Adds a listener. Returns a function that removes the listener. */
  on<E extends keyof ClientEventMap>(
    event: E,
    listener: (...args: ClientEventMap<Status & StatusPart>[E]) => unknown,
  ): () => void {
    this.#requireUpdate()
    return this.#listeners.on(event, listener)
  }

  /** Waits for counts that are in flight, and disconnects. The agent continues. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await withTimeout(CLOSE_TIMEOUT_MS, this.#outbox.idle())
    this.#connection.close()
    // Counts that wait for another agent cannot be sent any more.
    this.#outbox.rejectAll(clientClosedError())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** @throws LicensingError DAEMON_UNREACHABLE if no agent serves the control socket of the directory in time */
export async function connectClient<StatusPart extends object = object>(
  dataDir: string,
  options: ConnectOptions = {},
): Promise<AgentClient<StatusPart>> {
  const { timeoutMs = 5 * SECOND, clock = systemClock, reconnect = true, keepAlive = true, logger } = options
  const connection = new ControlClient(dataDir, { clock, reconnect, keepAlive })
  const client = new AgentClient<StatusPart>(connection, { clock, logger: adaptLogger(logger) })
  try {
    await connection.open(timeoutMs)
  } catch (error) {
    connection.close()
    throw error
  }
  return client
}

const clientClosedError = (): LicensingError => new LicensingError('AGENT_CLOSED', 'The client was closed.')
