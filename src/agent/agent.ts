import type { ProductProfile } from '../core/profile.ts'
import { type AgentSnapshot, agentMachine } from '../../machines/index.ts'
import type { Instant } from '../core/time.ts'
import type { AgentEventMap } from './agent-events.ts'
import { type Explanation, explain } from './explain.ts'
import type { HistoryRow } from './history-table.ts'
import type { Inspection } from './inspection.ts'
import { type AgentServices, closeAgent, openAgent, type OpenOptions, tickAgent } from './open-agent.ts'
import type { RegisterOptions, RequestOptions } from './registration-requests.ts'
import type { ReservationApi } from './reservation-api.ts'
import type { AgentServers, CreateServers, ServedAgent, ServeOptions } from './served-agent.ts'
import type { Status } from './status.ts'
import { AgentStore } from './store.ts'
import type { TransportApi } from './transport-api.ts'
import type { TrustApi } from './trust-api.ts'
import { ALLOWED, type PolicyDecision, refuse } from './usage-policy.ts'
import type { UsageReports } from './usage-reports.ts'

/**
 * Licensing agent of one device. The agent stores every change on disk before reporting the change. After a crash,
 * the agent continues a requested operation with the same message.
 *
 * @typeParam Api interface of the product's module, as returned by `module`
 * @typeParam StatusPart members that the module adds to the Status document
 * @typeParam Tag entitlement tags of the product, inferred from `profile`
 */
export class SmartAgent<Api = unknown, StatusPart extends object = object, Tag extends string = string> {
  /** State machine that the agent runs (XState 5). */
  readonly machine = agentMachine
  /** Transport settings of the device, and the connection test. */
  readonly transport: TransportApi
  /** Specific license reservation, for a device that makes no connections. */
  readonly reservation: ReservationApi
  /** Usage by hour and day, and refused operations. */
  readonly usage: UsageReports
  /** Root certificates that the agent trusts. */
  readonly trust: TrustApi
  readonly #services: AgentServices<Api, StatusPart>
  readonly #servers: AgentServers
  #closing: Promise<void> | null = null

  private constructor(services: AgentServices<Api, StatusPart>, createServers: CreateServers<SmartAgent>) {
    this.#services = services
    this.#servers = createServers(this, { ...services, logger: services.core.logger })
    this.transport = services.transport
    this.reservation = services.reservation
    this.usage = services.usage
    this.trust = services.trust
  }

  /** Services of the open agent. @throws LicensingError AGENT_CLOSED */
  get #open(): AgentServices<Api, StatusPart> {
    this.#services.core.device.requireOpen()
    return this.#services
  }

  /** Checks whether a directory contains the data of an agent. */
  static exists(dataDir: string): boolean {
    return AgentStore.exists(dataDir)
  }

  /**
   * Creates the data directory of a new device, which starts in evaluation.
   *
   * @throws LicensingError DATA_DIR_EXISTS, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, STORE_*
   */
  static async init(options: OpenOptions & { product: NonNullable<OpenOptions['product']> }): Promise<void> {
    const services = await openAgent({ ...options, heartbeat: false }, { isNew: true })
    services.core.runner.recordNotice('EVAL_START')
    await closeAgent(services, () => Promise.resolve())
  }

  /**
   * Opens the agent of a data directory, and continues a request that was in progress.
   *
   * @throws LicensingError DATA_DIR_MISSING, DATA_DIR_LOCKED, DATA_DIR_UNSAFE, STORE_*, INVALID_ARGUMENT,
   * TRUST_ANCHOR_INVALID, TRANSPORT_URL_INVALID, PROFILE_MISMATCH, PROFILE_TAG_IN_USE. An error leaves everything
   * unchanged.
   * @param createServers creates what `serve` uses
   */
  static async open<Api = unknown, StatusPart extends object = object, Tag extends string = string>(
    options: OpenOptions<Api, StatusPart, Tag>,
    createServers: CreateServers<SmartAgent>,
  ): Promise<SmartAgent<Api, StatusPart, Tag>> {
    return new SmartAgent(await openAgent(options, { isNew: false }), createServers)
  }

  /**
   * Returns the interface of the product's module.
   *
   * @throws LicensingError MODULE_UNAVAILABLE if the product has no module, or this program does not include it
   */
  get module(): Api {
    return this.#services.module.api
  }

  /** Finds a command of the product's module by its name. @throws LicensingError MODULE_UNAVAILABLE, USAGE */
  moduleCommand(name: string): { readonly reads: boolean; readonly call: (params: unknown) => unknown } {
    return this.#open.module.command(name)
  }

  /** Product profile: tags, periods and policies, with their defaults. */
  get profile(): ProductProfile {
    return this.#services.core.profile
  }

  /** Applies the elapsed time, and starts due requests. */
  tick(): void {
    tickAgent(this.#open)
  }

  /** Sends the stored requests. The promise resolves when no request is in progress, even after network errors. */
  async idle(): Promise<void> {
    await this.#open.requests.run()
  }

  /** Returns the license time. Setting the wall clock back does not set the license time back. */
  get now(): Instant {
    return this.#services.core.clock.now()
  }

  /** Returns the Status document. */
  status(): Status & StatusPart {
    return this.#open.readStatus()
  }

  /** Explains the current state: its cause, problems, available functions, next events, and possible changes. */
  explain(): Explanation {
    return explain(this.#open.core, this.status())
  }

  /** Returns the state value and context of the machine. Do not print the context, because it contains secret codes. */
  get snapshot(): AgentSnapshot {
    return this.#services.core.runner.snapshot
  }

  /** Returns the newest transitions, oldest first, each with its event and notices. */
  history(limit = 100, after = 0): HistoryRow[] {
    return this.#open.core.store.history.list(limit, after)
  }

  /** Reads the stored past of the agent, for inspectors and support bundles. */
  get inspection(): Inspection {
    return this.#open.inspection
  }

  /**
   * Checks whether an action is allowed now, and returns the reason if not. License management (actions that begin
   * with `license-`) is always allowed. The policy is cached until the state changes.
   */
  allows(action: string): PolicyDecision {
    const { core, policies, module } = this.#open
    const policy = policies.get(core.runner.present, () => core.clock.now())
    const refusal = policy.checkAction(action) ?? module.checkAction(action)
    return refusal ? refuse(refusal.message) : ALLOWED
  }

  /**
   * Registers the device with a token, and waits up to 35 seconds for the first outcome.
   *
   * @throws LicensingError ALREADY_REGISTERED, REGISTRATION_IN_PROGRESS, RESERVED, TOKEN_*, TRANSPORT_NOT_CONFIGURED,
   * TRUST_ANCHOR_MISSING, and the failure of the attempt
   */
  register(token: string, options?: RegisterOptions): Promise<Status> {
    return this.#services.registration.register(token, options)
  }

  /** Registers again with a new token. The previous registration stays valid until the new one succeeds (R-REG-4). */
  reregister(token: string, options?: RegisterOptions): Promise<Status> {
    return this.#services.registration.reregister(token, options)
  }

  /** Releases all licenses, and ends the registration on the device whatever the authority answers (R-REG-5). */
  deregister(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.deregister(options)
  }

  /** Renews the registration now. The agent also renews it automatically. */
  renewRegistration(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.renewRegistration(options)
  }

  /** Renews the authorization now, with the current usage. */
  renewAuthorization(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.renewAuthorization(options)
  }

  /**
   * Sets how many licenses of a tag the product uses, in addition to the counts of its module. The count is absolute.
   * The agent collects changes and reports them within 60 seconds (R-AUTH-1).
   *
   * @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT. For an increase while only license management works:
   * EVALUATION_EXPIRED (R-EVAL-4), or NOT_AUTHORIZED under a reservation. An error leaves everything unchanged.
   */
  setUsage(tag: Tag, count: number): void {
    this.#services.ledger.setDeclaredUsage(tag, count)
  }

  /**
   * Reports changed usage immediately, for a process that is about to exit. Resolves when the authority has answered
   * a report of the current counts, or when an attempt has failed.
   */
  flushUsage(): Promise<void> {
    return this.#services.registration.flushUsage()
  }

  /**
   * Upgrades the product to a higher version. A new major version ends the registration or reservation of the old one,
   * and the remaining evaluation period stays. A new minor version changes only the version. A new
   * evaluation period starts when the product opens with a new major version, not when this method is called
   * (R-EVAL-2).
   *
   * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT, or LICENSES_REQUIRED for a product whose upgrades need
   * licenses (R-SYS-3)
   */
  upgrade(version: string): Promise<Status> {
    return this.#services.upgrades.upgrade(version)
  }

  /**
   * Adds a listener, which is called after an event is on disk. The logger gets the error of a listener that fails. Returns a
   * function that removes the listener.
   */
  on<E extends keyof AgentEventMap>(event: E, listener: (...args: AgentEventMap[E]) => unknown): () => void {
    return this.#open.events.on(event, listener)
  }

  /**
   * Serves the agent to administrators and to other processes of the product: over its control socket, in the web console,
   * as metrics and to inspectors.
   *
   * @throws LicensingError ALREADY_SERVED for a second control socket, ADDRESS_IN_USE, INVALID_ARGUMENT, STORE_*, AGENT_CLOSED
   */
  async serve(options: ServeOptions): Promise<ServedAgent> {
    this.#services.core.device.requireOpen()
    return this.#servers.serve(options)
  }

  /**
   * Stores everything on disk, and stops the agent and what it serves. The next `open` repeats a request that is in progress
   * now.
   */
  close(): Promise<void> {
    // A close that could not write, such as on a full disk, may be repeated.
    this.#closing ??= closeAgent(this.#services, () => this.#servers.close()).catch((error: unknown) => {
      this.#closing = null
      throw error
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
