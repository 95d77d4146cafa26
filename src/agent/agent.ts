import {
  type AgentSnapshot,
  agentMachine,
  canHandle,
  type Event,
  getLicenseState,
} from '../../machines/index.ts'
import type { Instant } from '../core/time.ts'
import type { AgentEventMap } from './agent-events.ts'
import { type Explanation, explain } from './explain.ts'
import type { HistoryRow } from './history-table.ts'
import { type AgentServices, openAgent, type OpenOptions, tickAgent } from './open-agent.ts'
import type { RegisterOptions, RequestOptions } from './registration-requests.ts'
import type { ReservationApi } from './reservation-api.ts'
import type { Status } from './status.ts'
import { AgentStore } from './store.ts'
import type { TransportApi } from './transport-api.ts'
import type { TrustApi } from './trust-api.ts'
import type { UsageReports } from './usage-reports.ts'

const ALLOWED = Object.freeze({ allowed: true, reason: null })

/**
 * The licensing agent of one device. Everything that it reports is on disk before; everything that it was asked for is done once, or
 * tried again after a crash.
 *
 * @typeParam Api what `module` is: the interface of the product's module
 * @typeParam StatusPart what the module adds to the Status document
 */
export class SmartAgent<Api = unknown, StatusPart extends object = object> {
  /** The state machine that the agent runs (XState 5). */
  readonly machine = agentMachine
  /** How the device reaches its authority. */
  readonly transport: TransportApi
  /** Specific license reservation, for a device that makes no connection. */
  readonly reservation: ReservationApi
  /** What was in use, hour by hour and day by day, and what was refused. */
  readonly usage: UsageReports
  /** The certificates that the authority is checked by. */
  readonly trust: TrustApi
  readonly #services: AgentServices<Api, StatusPart>

  private constructor(services: AgentServices<Api, StatusPart>) {
    this.#services = services
    this.transport = services.transport
    this.reservation = services.reservation
    this.usage = services.usage
    this.trust = services.trust
  }

  /** Tells whether an agent lives in that directory. */
  static exists(dataDir: string): boolean {
    return AgentStore.exists(dataDir)
  }

  /**
   * Makes the data directory of a new device, in evaluation.
   *
   * @throws LicensingError DATA_DIR_EXISTS, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, STORE_*
   */
  static async init(options: OpenOptions & { product: NonNullable<OpenOptions['product']> }): Promise<void> {
    const services = await openAgent({ ...options, heartbeat: false }, { isNew: true })
    services.core.runner.recordNotice('EVAL_START')
    await new SmartAgent(services).close()
  }

  /**
   * Opens the agent of a data directory. A request that was under way goes on.
   *
   * @throws LicensingError DATA_DIR_MISSING, DATA_DIR_LOCKED, DATA_DIR_UNSAFE, STORE_*, INVALID_ARGUMENT,
   * TRUST_ANCHOR_INVALID, TRANSPORT_URL_INVALID, PROFILE_MISMATCH, PROFILE_TAG_IN_USE: nothing is changed
   */
  static async open<Api = unknown, StatusPart extends object = object>(
    options: OpenOptions<Api, StatusPart>,
  ): Promise<SmartAgent<Api, StatusPart>> {
    return new SmartAgent(await openAgent(options, { isNew: false }))
  }

  /**
   * The interface of the product's module.
   *
   * @throws LicensingError MODULE_UNAVAILABLE where the product has no module, or the program lacks it
   */
  get module(): Api {
    return this.#services.module.api
  }

  /** Finds a command of the product's module by its name. @throws LicensingError MODULE_UNAVAILABLE, USAGE */
  moduleCommand(name: string): { readonly reads: boolean; readonly call: (params: unknown) => unknown } {
    return this.#services.module.command(name)
  }

  /** Applies the time that passed, and starts what is due (one heartbeat). */
  tick(): void {
    tickAgent(this.#services)
  }

  /** Runs what is to be done now, and resolves when nothing is under way. Never throws for the network. */
  async idle(): Promise<void> {
    await this.#services.requests.run()
  }

  /** The time by which licenses are judged. A wall clock that is set back does not set it back. */
  get now(): Instant {
    return this.#services.core.clock.now()
  }

  /** Returns the Status document. */
  status(): Status & StatusPart {
    return this.#services.readStatus()
  }

  /** Explains why the device is in its state, what it may do, what comes next, and what would change it. */
  explain(): Explanation {
    const { runner, store } = this.#services.core
    return explain(runner.snapshot, {
      now: this.now,
      status: this.status(),
      change: store.listHistory.lastChangeTo(getLicenseState(runner.snapshot.value)),
    })
  }

  /** The state of the machine: its value and its context. Not for printing: codes are in it. */
  get snapshot(): AgentSnapshot {
    return this.#services.core.runner.snapshot
  }

  /** Returns the newest transitions, oldest first: each with its cause and its notices. */
  history(limit = 100, after = 0): HistoryRow[] {
    return this.#services.core.store.listHistory.list(limit, after)
  }

  /**
   * Tells whether the product may do something now, and why not. License management (actions that begin with `license-`) is always
   * allowed. Answers from memory: the policy is computed again only when the state changes.
   */
  allows(action: string): { allowed: boolean; reason: string | null } {
    const { core, policies, module } = this.#services
    const policy = policies.get(core.runner.snapshot, () => core.clock.now())
    const refusal = policy.checkAction(action) ?? module.checkAction(action)
    return refusal ? { allowed: false, reason: refusal.message } : ALLOWED
  }

  /**
   * Registers the device with a token; waits for the first outcome, within 35 seconds.
   *
   * @throws LicensingError ALREADY_REGISTERED, REGISTRATION_IN_PROGRESS, RESERVED, TOKEN_*, TRANSPORT_NOT_CONFIGURED,
   * TRUST_ANCHOR_MISSING, and what the attempt ends with
   */
  register(token: string, options?: RegisterOptions): Promise<Status> {
    return this.#services.registration.register(token, options)
  }

  /** Registers again, with a new token, keeping the old registration until the new one is there (R-REG-4). */
  reregister(token: string, options?: RegisterOptions): Promise<Status> {
    return this.#services.registration.reregister(token, options)
  }

  /** Gives every license back and ends the registration here, whatever the authority says (R-REG-5). */
  deregister(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.deregister(options)
  }

  /** Renews the registration now, as it renews itself later. */
  renewRegistration(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.renewRegistration(options)
  }

  /** Renews the authorization now, with the counts of this moment. */
  renewAuthorization(options?: RequestOptions): Promise<Status> {
    return this.#services.registration.renewAuthorization(options)
  }

  /**
   * Sets how many of a tag the product uses, beside what its module counts: an absolute count. Reported within 60 seconds, changes
   * gathered (R-AUTH-1).
   *
   * @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT, or EVALUATION_EXPIRED where more is taken into use and only
   * license management is left (R-EVAL-4), NOT_AUTHORIZED where that is so under a reservation: nothing is changed
   */
  setUsage(tag: string, count: number): void {
    this.#services.ledger.setDeclaredUsage(tag, count)
  }

  /**
   * Reports changed usage now instead of within the minute: for a process that is about to leave. Resolves when the authority
   * has answered for the present counts, or when an attempt failed.
   */
  async flushUsage(): Promise<void> {
    const { runner, clock } = this.#services.core
    // A request that was under way when the usage changed does not cover the change; the one after it does.
    for (let requests = 0; requests < 2 && runner.snapshot.context.usage.reportAt !== null; requests++) {
      const event = (at: number): Event => ({ type: 'authorization.renew', at })
      if (canHandle(runner.snapshot, event(clock.now()))) runner.step(event)
      await this.idle()
      if (runner.snapshot.context.authorization.last?.outcome !== 'succeeded') return
    }
  }

  /**
   * Takes the product to be of a higher version. To another major version: the registration or reservation of the old one ends, and
   * what is left of the evaluation stays. Within one, nothing else changes. An evaluation of its own begins for the version that the
   * product opens with, not for one that is named here (R-EVAL-2).
   *
   * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT; LICENSES_REQUIRED for a product that has no evaluation (R-SYS-3)
   */
  upgrade(version: string): Promise<Status> {
    return this.#services.upgrades.upgrade(version)
  }

  /** Listens to what happens. A listener is called after the event is on disk. Returns how to stop. */
  on<E extends keyof AgentEventMap>(event: E, listener: (...args: AgentEventMap[E]) => void): () => void {
    return this.#services.events.on(event, listener)
  }

  /** Stops, with everything on disk. A request under way is made again by the next opening. */
  async close(): Promise<void> {
    const { core, operations, requests, scheduler, transports } = this.#services
    if (core.device.isClosed) return
    scheduler.stop()
    // What was asked for is done, or refused, before the agent closes.
    operations.flush()
    core.runner.tick()
    core.device.close()
    requests.stop()
    transports.abort()
    await Promise.resolve()
    core.store.close()
  }
}
