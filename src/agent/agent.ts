import { EventEmitter } from 'node:events'
import { randomUUID } from 'node:crypto'
import {
  can,
  type Event,
  type Failure,
  nextDueAt,
  type Position,
  type RequestKind,
  smartAgent,
  stateWord,
} from '../../machines/index.ts'
import type { Clock } from '../core/clock.ts'
import { ENGLISH } from '../core/english.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { type Instant, MINUTE } from '../core/time.ts'
import type { ProductProfile, ProfileInput } from '../core/profile.ts'
import { chooseProfile } from '../core/stored-profile.ts'
import { systemClock } from '../core/system-clock.ts'
import { parseToken } from '../protocol/token.ts'
import { startDeadline } from '../transports/deadline.ts'
import { portsOf } from '../conferencing/deployment.ts'
import type { Transport, TransportSettings } from '../transports/transport.ts'
import { ClockGuard, UsedSeconds } from './license-clock.ts'
import { CommandRunner, type Settled } from './request-runner.ts'
import { type Explanation, explain } from './explain.ts'
import {
  identitySchema,
  outstandingSchema,
  type Product,
  productSchema,
  readingSchema,
  registeringSchema,
  RESERVATION_SEED,
} from './persisted-state.ts'
import type { Heartbeat } from './tick-scheduler.ts'
import { type AgentLogger, silent } from './logger.ts'
import type { NoticeRecord } from './event-catalog.ts'
import type { AgentObserver } from './observer.ts'
import type { BoxReservation } from './reservation.ts'
import { HostDesk, MeetingDesk, UsageDesk } from './desks.ts'
import { type Gate, gateOf } from './usage-policy.ts'
import { ProductLedger } from './usage-ledger.ts'
import { periodsOf, readProfile, storeProfile } from './profile-store.ts'
import { SystemDesk } from './deployment.ts'
import { BoxRoad, checkAnchor, storeSettings, TRANSPORT_KEY } from './transport-manager.ts'
import { describeStatus, type Status } from './status.ts'
import type { RoadReport, StepReport } from './connection-test.ts'
import { Stepper, type Transition } from './machine-runner.ts'
import { AgentStore, type HistoryRow } from './store.ts'
import { giveRoots, readAnchors, requireAnchors, writeAnchors } from './trust-store.ts'
import { Upgrades } from './upgrade.ts'

const ALLOWED = Object.freeze({ allowed: true, reason: null })

/** How long a caller waits for the first outcome of what it asked for. */
const PATIENCE = 35_000

export interface OpenOptions {
  /** The directory that holds the agent's state; this user's alone, mode 0700. */
  readonly dataDir: string
  /**
   * The product on this box. Makes the data directory when there is none; its id and serial number are checked against it
   * otherwise. A higher version than before is an upgrade: to another major version, it has an evaluation of its own, once.
   */
  readonly product?: { pid: string; serial: string; version: string; size?: Product['size'] }
  /** PEM of the root certificate of the authority; replaces the stored one. */
  readonly trust?: string
  /** PEM of further anchors for TLS alone, such as a gateway's. */
  readonly tlsCa?: string
  /** How to reach the authority; replaces the stored settings. */
  readonly transport?: TransportSettings
  /**
   * The tags, periods and policies of the product. The first opening stores the profile in the data directory, and later openings
   * may leave it out. Without one, a new directory gets the shipped conferencing profile.
   */
  readonly profile?: ProfileInput
  /**
   * Lets `profile` replace another one that is stored. The history records it. A replacement never lengthens an evaluation, and
   * never drops a tag in use. Default: false.
   */
  readonly replaceProfile?: boolean
  readonly clock?: Clock
  readonly logger?: AgentLogger
  /** Whether time drives the agent by itself. Without it, call `tick()` and `idle()`. Default: true. */
  readonly heartbeat?: boolean
  /** A road of the embedder's own, such as a test's: used instead of HTTPS. */
  readonly createTransport?: (settings: TransportSettings) => Transport
  /** Sees its requests: traces. */
  readonly observer?: AgentObserver
}

interface Events {
  /** The state word, or anything a reader of the status would see, has changed. */
  state: [status: Status]
  notice: [notice: NoticeRecord]
  transition: [transition: Transition]
}

/**
 * The licensing agent of one box. Everything it says is on disk before it is said; everything it was asked
 * to do is done once, or tried again after a crash.
 */
export class SmartAgent {
  /** The statechart this agent runs (XState 5). */
  readonly machine = smartAgent
  readonly #store: AgentStore
  readonly #clock: ClockGuard
  readonly #stepper: Stepper
  readonly #runner: CommandRunner
  readonly #profile: ProductProfile
  readonly #emitter = new EventEmitter<Events>()
  readonly #settledEmitter = new EventEmitter<{ settled: [Settled]; closed: [] }>()
  readonly #logger: AgentLogger
  readonly #road: BoxRoad
  readonly #ledger: ProductLedger
  /** Host licences (R-HOST-1…3): who holds one, by hand or by hosting. */
  readonly hosts: HostDesk
  /** Meetings, as far as they take licences (R-HOST-4…8). */
  readonly meetings: MeetingDesk
  /** Size, extended capacity, data centers (R-SYS-1…3). */
  readonly system: SystemDesk
  /** What was in use, hour by hour and day by day, and what was refused. */
  readonly usage: UsageDesk
  #gateKept: { readonly position: Position; readonly gate: Gate } | null = null
  readonly #upgrades: Upgrades
  #upgrading: Promise<unknown> = Promise.resolve()
  #heartbeat: Heartbeat | null = null
  #product: Product
  #closed = false

  private constructor(store: AgentStore, product: Product, profile: ProductProfile, options: OpenOptions) {
    const clock = options.clock ?? systemClock
    this.#store = store
    this.#product = product
    this.#profile = profile
    this.#logger = options.logger ?? silent
    this.#clock = new ClockGuard(clock, store.read('clock', readingSchema))
    this.#road = new BoxRoad(
      store,
      options.createTransport,
      () => this.#clock.now(),
      this.#logger,
      options.observer,
    )
    this.#stepper = new Stepper({
      store,
      clock: this.#clock,
      used: new UsedSeconds(clock),
      logger: this.#logger,
      periods: periodsOf(profile),
      tell: (transition) => {
        this.#tell(transition)
      },
      forgotten: () => {
        this.#sweep()
      },
      conclude: (after, at) => {
        this.#ledger.conclude(after, at)
      },
      notKept: () => {
        this.#ledger.reload()
      },
    })
    this.#ledger = new ProductLedger({
      store,
      stepper: this.#stepper,
      clock: this.#clock,
      profile: this.#profile,
      closed: () => this.#closed,
      done: () => {
        this.#wake()
      },
    })
    this.hosts = new HostDesk(this.#ledger)
    this.meetings = new MeetingDesk(this.#ledger)
    this.usage = new UsageDesk(this.#ledger)
    this.system = new SystemDesk({
      ledger: this.#ledger,
      stepper: this.#stepper,
      clock: this.#clock,
      profile: this.#profile,
      authorize: () => this.renewAuthorization(),
    })
    this.#upgrades = new Upgrades({
      store,
      stepper: this.#stepper,
      clock: this.#clock,
      ledger: this.#ledger,
      profile: this.#profile,
      product: () => this.#product,
      recorded: (next) => {
        this.#product = next
      },
      entitlements: () => this.status().entitlements,
      endReservation: () => this.#endReservation(),
    })
    this.#runner = new CommandRunner({
      store,
      stepper: this.#stepper,
      clock: this.#clock,
      transport: () => this.#road.open(),
      roadNumber: () => this.#road.number,
      trustChanged: (bundle) => {
        this.#stepper.remark('TRUST_CHANGED', `bundle ${bundle}`)
      },
      settled: (settled) => {
        this.#sweep()
        this.#settledEmitter.emit('settled', settled)
        this.#goOnUpgrading()
      },
    })
  }

  /** Whether an agent lives in that directory. */
  static exists(dataDir: string): boolean {
    return AgentStore.exists(dataDir)
  }

  /**
   * Makes the data directory of a new box, in evaluation.
   *
   * @throws LicensingError DATA_DIR_EXISTS, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, STORE_*
   */
  static async init(options: OpenOptions & { product: NonNullable<OpenOptions['product']> }): Promise<void> {
    const agent = await SmartAgent.open({ ...options, heartbeat: false }, { charge: false, fresh: true })
    agent.#stepper.remark('EVAL_START')
    await agent.close()
  }

  /**
   * Opens the agent of a data directory: what was under way goes on where it stood.
   *
   * @throws LicensingError DATA_DIR_MISSING, DATA_DIR_LOCKED, DATA_DIR_UNSAFE, STORE_*, INVALID_ARGUMENT,
   * TRUST_ANCHOR_INVALID, TRANSPORT_URL_INVALID, PROFILE_MISMATCH, PROFILE_TAG_IN_USE: nothing is changed
   */
  static async open(options: OpenOptions, { charge = true, fresh = false } = {}): Promise<SmartAgent> {
    const product = options.product && parseProduct(options.product)
    if (options.trust !== undefined) await checkAnchor(options.trust)
    if (options.tlsCa !== undefined) await checkAnchor(options.tlsCa, 'tls')
    const store = AgentStore.open(options.dataDir, { create: product !== undefined })
    try {
      const stored = store.read('product', productSchema)
      if (stored && fresh)
        throw new LicensingError('DATA_DIR_EXISTS', `There is an agent in ${options.dataDir} already.`)
      const current = stored ?? product
      if (!current)
        throw new LicensingError('DATA_DIR_MISSING', `The agent in ${options.dataDir} was never made.`)
      if (stored && product && (stored.pid !== product.pid || stored.serial !== product.serial)) {
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `The data directory belongs to ${stored.pid}:${stored.serial}.`,
        )
      }
      const choice = chooseProfile(readProfile(store), options)
      const agent = store.commit(() => {
        if (!stored) store.write('product', current)
        storeProfile(store, choice)
        if (options.trust !== undefined) giveRoots(store, options.trust)
        if (options.tlsCa !== undefined) store.write('tls-ca', options.tlsCa)
        if (options.transport) store.write('transport', storeSettings(options.transport, store))
        const opened = new SmartAgent(store, current, choice.profile, options)
        if (choice.kind === 'replaced')
          opened.#stepper.remark('PROFILE_REPLACED', `${choice.before.name} by ${choice.profile.name}`)
        return opened
      })
      agent.#ledger.settle()
      if (charge) agent.tick()
      await agent.#upgrades.openedWith(product?.version ?? null)
      agent.#sweep()
      if (options.heartbeat ?? true) await agent.#start()
      return agent
    } catch (thrown) {
      store.close()
      throw thrown
    }
  }

  async #start(): Promise<void> {
    const { Heartbeat } = await import('./tick-scheduler.ts')
    this.#heartbeat = new Heartbeat(() => {
      try {
        this.tick()
      } catch (thrown) {
        // On a full disk say: nothing has changed, and the next beat charges what this one could not.
        this.#logger.error('a heartbeat could not be written', { reason: asLicensingError(thrown).message })
      }
    })
    this.#stepper.remark('AGENT_READY')
    this.#wake()
  }

  /** Lets the time that passed take effect, and starts on what it made due (one heartbeat). */
  tick(): void {
    if (this.#closed) return
    this.#stepper.tick()
    this.#ledger.expireMeetings()
    this.#goOnUpgrading()
    this.#wake()
  }

  /** With a heartbeat, requests run by themselves and the next beat comes when something is due. */
  #wake(): void {
    if (!this.#heartbeat || this.#closed) return
    this.#runner.run().then(
      () => {
        this.#arm()
      },
      (thrown: unknown) => {
        // The outcome could not be written, on a full disk say: the request is still there, for the next beat.
        this.#logger.error('a request could not be concluded', { reason: asLicensingError(thrown).message })
      },
    )
    this.#arm()
  }

  #arm(): void {
    if (this.#closed) return
    const next = nextDueAt(this.#stepper.position)
    if (next !== null && next - this.#clock.now() < MINUTE) this.#heartbeat?.alarmIn(next - this.#clock.now())
  }

  /** Runs what is to be done now, and resolves when nothing is under way. Never throws for the network. */
  async idle(): Promise<void> {
    await this.#runner.run()
  }

  /** An upgrade waits for the end of a registration, which an outcome may have brought. */
  #goOnUpgrading(): void {
    if (this.#closed || !this.#upgrades.isUnderWay) return
    this.#upgrades.proceed().catch((thrown: unknown) => {
      this.#logger.error('an upgrade could not go on', { reason: asLicensingError(thrown).message })
    })
  }

  /** What time it is by the box's clock, which is not set back by people. */
  get now(): Instant {
    return this.#clock.now()
  }

  /** The Status document. */
  status(): Status {
    return describeStatus(this.#stepper.position, {
      product: { ...this.#product, size: this.#ledger.system.size },
      profile: this.#profile,
      transport: this.#road.settings(),
      authority: this.#store.read('identity', identitySchema)?.authority ?? null,
      clock: this.#clock.trust(),
      now: this.#clock.now(),
      hosts: this.#ledger.hostCounts(),
      ports: portsOf(this.#ledger.system),
    })
  }

  /** Why the box is in this state, what it may do, what comes next, and what would change it. */
  explain(): Explanation {
    return explain(this.#stepper.position, {
      now: this.#clock.now(),
      status: this.status(),
      change: this.#store.lastChangeTo(stateWord(this.#stepper.position.value)),
    })
  }

  /** Where the chart stands: its value and its facts, which are the agent's own. Not for printing: codes are among them. */
  get position(): Position {
    return this.#stepper.position
  }

  /** The newest transitions, oldest first: each with its cause and what it said. */
  history(limit = 100, after = 0): HistoryRow[] {
    return this.#store.history(limit, after)
  }

  /**
   * Whether the product may do that now, and why not. Licence management (actions that begin with `license-`) is always
   * allowed. At memory speed: what the chart and the policies say is looked up again only when the position changes.
   */
  allows(action: string): { allowed: boolean; reason: string | null } {
    const refusal = this.#gate().refusal(action)
    return refusal ? { allowed: false, reason: refusal.message } : ALLOWED
  }

  #gate(): Gate {
    const { position } = this.#stepper
    // Under a reservation a term may have ended since.
    if (this.#gateKept?.position === position && stateWord(position.value) !== 'reserved')
      return this.#gateKept.gate
    const gate = gateOf(position, this.#profile, this.#clock.now())
    this.#gateKept = { position, gate }
    return gate
  }

  /** The registration token or the force flag of a registration; waits for its first outcome. */
  async register(token: string, options: { force?: boolean; wait?: boolean } = {}): Promise<Status> {
    const registered = this.#stepper.position.context.registration !== null
    if (registered && !options.force) {
      throw new LicensingError('ALREADY_REGISTERED', 'This box is registered already.')
    }
    return this.#register(token, {
      force: options.force ?? false,
      again: registered,
      wait: options.wait ?? true,
    })
  }

  /** Registers again, with a new token, keeping the old registration until the new one is there (R-REG-4). */
  async reregister(token: string, options: { force?: boolean; wait?: boolean } = {}): Promise<Status> {
    return this.#register(token, { force: options.force ?? false, again: true, wait: options.wait ?? true })
  }

  async #register(text: string, options: { force: boolean; again: boolean; wait: boolean }): Promise<Status> {
    parseToken(text)
    this.#requireOpen()
    this.#road.require()
    const { force, again } = options
    const event = (at: number): Event => ({ type: 'REGISTER', at, force, again })
    const requireIdle = () => {
      this.#requireOpen()
      if (can(this.#stepper.position, event(this.#clock.now()))) return
      throw (
        this.#reservationRefusal() ??
        new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this box is under way.')
      )
    }
    requireIdle()
    // An earlier attempt may have been heard: its key is used again, so that it is the same registration.
    const earlier = this.#store.read('registering', registeringSchema)
    const key = earlier ? { ...earlier, pem: null } : await this.#newKey()
    // Another caller may have begun, or closed the agent, while the key was made.
    requireIdle()
    // What no fact names yet may be swept away at any moment: no pause from here to the step.
    const tokenFile = `${randomUUID()}.token`
    this.#store.secrets.put(tokenFile, text)
    if (key.pem !== null) this.#store.secrets.put(key.key, key.pem)
    this.#stepper.step(event, (store) => {
      store.write('registering', {
        token: tokenFile,
        key: key.key,
        certificateRequest: key.certificateRequest,
        force,
      })
    })
    const outcome = this.#expect(['register', 'authorize'])
    return options.wait ? outcome.wait() : outcome.leave()
  }

  #requireOpen(): void {
    if (this.#closed) throw new LicensingError('AGENT_CLOSED', 'The agent was closed.')
  }

  async #newKey(): Promise<{ key: string; certificateRequest: string; pem: string }> {
    const { createRequest, generateKey } = await import('../pki/certificate-generation.ts')
    const pem = await generateKey()
    const certificateRequest = await createRequest(pem, `${this.#product.pid}:${this.#product.serial}`)
    return { key: `${randomUUID()}.key`, certificateRequest, pem }
  }

  /** Gives every licence back and ends the registration here, whatever the authority says (R-REG-5). */
  async deregister(options: { wait?: boolean } = {}): Promise<Status> {
    return this.#ask((at) => ({ type: 'DEREGISTER', at }), ['deregister'], options.wait ?? true)
  }

  async renewRegistration(options: { wait?: boolean } = {}): Promise<Status> {
    return this.#ask((at) => ({ type: 'RENEW_REGISTRATION', at }), ['renew'], options.wait ?? true)
  }

  async renewAuthorization(options: { wait?: boolean } = {}): Promise<Status> {
    return this.#ask((at) => ({ type: 'RENEW_AUTHORIZATION', at }), ['authorize'], options.wait ?? true)
  }

  async #ask(event: (at: number) => Event, kinds: RequestKind[], wait: boolean): Promise<Status> {
    const { position } = this.#stepper
    const underWay = this.#store.commands().some(({ kind }) => kinds.includes(kind))
    // What is asked for may be under way already, left over from before: its outcome is the answer.
    if (can(position, event(this.#clock.now()))) this.#stepper.step(event)
    else if (!underWay) throw this.#refusal(kinds[0] ?? 'authorize')
    const outcome = this.#expect(kinds)
    // Giving up an attempt to register asks nobody.
    if (!this.#store.commands().some(({ kind }) => kinds.includes(kind))) return outcome.leave()
    return wait ? outcome.wait() : outcome.leave()
  }

  #refusal(kind: RequestKind): LicensingError {
    const { registration, registering, registrationFailure } = this.#stepper.position.context
    const reserved = this.#reservationRefusal()
    if (reserved?.code === 'RESERVED') return reserved
    if (registration === null) {
      if (registering)
        return new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this box is under way.')
      const why = registrationFailure ? `: ${registrationFailure.message}` : '.'
      return new LicensingError('NOT_REGISTERED', `This box is not registered${why}`)
    }
    return new LicensingError(
      'NOT_ALLOWED_IN_STATE',
      `Another request is under way; ${kind} must wait for its outcome.`,
    )
  }

  /** Why a box with a reservation, or one that asked for it, does not ask its authority; null without either. */
  #reservationRefusal(): LicensingError | null {
    const { current } = this.#stepper.position.context.reservation
    if (current === null) return null
    return current.stage === 'requested'
      ? new LicensingError('RESERVATION_REQUESTED', 'A reservation was requested for this box.')
      : new LicensingError('RESERVED', 'This box works from a reservation: it never asks its authority.')
  }

  /** Waits for the first outcome of one of the kinds; a registration also waits for its authorization. */
  #expect(kinds: readonly RequestKind[]): { wait: () => Promise<Status>; leave: () => Status } {
    let stop = (): void => undefined
    const outcome = new Promise<LicensingError | null>((resolve) => {
      const deadline = startDeadline(PATIENCE)
      deadline.signal.addEventListener('abort', () => {
        resolve(new LicensingError('TIMED_OUT', 'No outcome came in time; it goes on in the background.'))
      })
      const left = [...kinds]
      const listen = ({ kind, failure }: Settled) => {
        if (kind !== left[0]) return
        left.shift()
        if (failure || left.length === 0) resolve(failure)
      }
      // A registration that ends takes what was asked under it along.
      const watch = ({ after }: Transition) => {
        const { registration, registering, registrationFailure } = after.context
        if (registration !== null || registering !== null || left[0] === 'deregister') return
        if (left[0] !== 'register') resolve(endedBy(registrationFailure))
      }
      const shut = () => {
        resolve(new LicensingError('AGENT_CLOSED', 'The agent was closed before an outcome came.'))
      }
      stop = () => {
        deadline.stop()
        this.#settledEmitter.off('settled', listen)
        this.#settledEmitter.off('closed', shut)
        this.#emitter.off('transition', watch)
      }
      this.#settledEmitter.on('settled', listen)
      this.#settledEmitter.on('closed', shut)
      this.#emitter.on('transition', watch)
    }).finally(() => {
      stop()
    })
    return {
      leave: () => {
        stop()
        this.#wake()
        return this.status()
      },
      wait: async () => {
        this.#wake()
        const broken = new Promise<never>((_, reject) => {
          this.#runner.run().catch(reject)
        })
        const failure = await Promise.race([outcome, broken])
        if (failure) throw failure
        return this.status()
      },
    }
  }

  /**
   * What the product itself says it uses of a tag, beside what is counted here. Reported within 60 seconds, changes
   * gathered (R-AUTH-1).
   *
   * @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT, or EVALUATION_EXPIRED where more is taken into use and only
   * licence management is left (R-EVAL-4), NOT_AUTHORIZED where that is so under a reservation: nothing is changed
   */
  setUsage(tag: string, count: number): void {
    this.#ledger.declare(tag, count)
  }

  /**
   * Takes the product to be of a higher version. To another major version: the registration or reservation of the old one ends,
   * every host assignment stays, and so does what is left of the evaluation. Within one, nothing else changes. An evaluation of
   * its own begins for the version that the product opens with, not for one that is named here (R-EVAL-2).
   *
   * @throws LicensingError VERSION_NOT_HIGHER, INVALID_ARGUMENT; LICENSES_REQUIRED for a system of several data centers, which has
   * no evaluation (R-SYS-3)
   */
  upgrade(version: string): Promise<Status> {
    // One at a time: what a version is depends on the one before.
    const upgrade = this.#upgrading.then(() => this.#upgrade(version))
    this.#upgrading = upgrade.then(
      () => undefined,
      () => undefined,
    )
    return upgrade
  }

  async #upgrade(text: string): Promise<Status> {
    const { version } = parseProduct({ ...this.#product, version: text })
    // What was changed a moment ago may not be answered yet.
    if (this.#ledger.system.dataCenters.length > 0 && this.#stepper.position.context.registration !== null)
      await this.renewAuthorization().catch(() => undefined)
    if (this.#upgrades.begin(version)) {
      const { registration, registering } = this.#stepper.position.context
      // Whatever the authority says to it, it ends here.
      if (registration !== null || registering !== null) await this.deregister().catch(() => undefined)
      await this.#upgrades.proceed()
      if (this.#upgrades.isUnderWay)
        throw new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this box is under way.')
    }
    this.#wake()
    return this.status()
  }

  async #endReservation(): Promise<void> {
    const stage = this.#stepper.position.context.reservation.current?.stage
    if (stage === 'requested') await this.reservation.cancel()
    else if (stage !== undefined) {
      await this.reservation.returnCode()
      await this.reservation.return()
    }
  }

  /**
   * Reports changed usage now instead of within the minute: for a process that is about to leave. Resolves when the authority
   * has answered for the present counts, or when an attempt failed.
   */
  async flushUsage(): Promise<void> {
    // A request that was under way when the usage changed does not cover the change; the one after it does.
    for (
      let requests = 0;
      requests < 2 && this.#stepper.position.context.usage.reportAt !== null;
      requests++
    ) {
      const event = (at: number): Event => ({ type: 'RENEW_AUTHORIZATION', at })
      if (can(this.#stepper.position, event(this.#clock.now()))) this.#stepper.step(event)
      await this.idle()
      if (this.#stepper.position.context.authorization.last?.outcome !== 'succeeded') return
    }
  }

  /** How the box reaches its authority. */
  readonly transport = {
    /**
     * Sets the road to the authority: checked, saved, in force from the next request on; one that is under way goes
     * on by the old one. Connects to nobody.
     *
     * @throws LicensingError TRANSPORT_URL_INVALID, PROXY_URL_INVALID, PROXY_CREDENTIALS_INVALID: nothing is changed
     */
    set: (settings: TransportSettings): Status['transport'] => {
      const checked = storeSettings(settings, this.#store)
      const road = [
        checked.kind,
        checked.url,
        ...(checked.kind === 'proxy' ? ['via', checked.via] : []),
      ].join(' ')
      this.#stepper.step(
        (at) => ({ type: 'TRANSPORT_CHANGED', at, road }),
        (store) => {
          store.write('transport', checked)
        },
      )
      this.#road.change()
      this.#wake()
      return this.status().transport
    },
    /**
     * Walks the road to the authority step by step, with the settings given or those in force: where it breaks, and why.
     * Changes nothing, and registers nothing (R-NET-4).
     *
     * @param onStep called as each step ends
     * @throws LicensingError TRANSPORT_NOT_CONFIGURED, TRUST_ANCHOR_MISSING, TRANSPORT_URL_INVALID, PROXY_URL_INVALID;
     * RESERVED: such a box makes no connection at all
     */
    test: async (
      options: { settings?: TransportSettings; onStep?: (step: StepReport) => void } = {},
    ): Promise<RoadReport> => {
      const { settings, onStep = () => undefined } = options
      const reserved = this.#reservationRefusal()
      if (reserved?.code === 'RESERVED') throw reserved
      const identity = this.#store.read('identity', identitySchema)
      return this.#road.test(settings, identity?.authority.id ?? null, onStep)
    },
  } as const

  /** The certificates that the authority is checked by. */
  readonly trust = {
    /**
     * Installs the root certificate of the authority (PEM), or the bundles by which it replaced the one this box has: a file of
     * `smart-authority trust bundle export`.
     *
     * @throws LicensingError TRUST_ANCHOR_INVALID, TRUST_ANCHOR_MISSING, TRUST_BUNDLE_REFUSED
     */
    install: async (text: string): Promise<void> => {
      const { installBundles, readTrustBundles } = await import('../pki/root-rotation.ts')
      const bundles = readTrustBundles(text)
      const anchors = bundles && installBundles(requireAnchors(this.#store), bundles, this.#clock.now())
      const what = anchors ? `bundle ${anchors.number}` : await checkAnchor(text)
      this.#store.commit(() => {
        if (anchors) writeAnchors(this.#store, anchors)
        else giveRoots(this.#store, text)
      })
      this.#stepper.remark('TRUST_CHANGED', what)
      this.#road.change()
    },
    /** The root certificates this box believes: PEM, the newest first; null when there are none. */
    anchor: (): string | null => {
      return this.#road.trustAnchor()
    },
    /** The number of the bundle of roots it believes: 0 for roots that were given by hand. */
    rootVersion: (): number => {
      return readAnchors(this.#store)?.number ?? 0
    },
    /** Installs a further anchor for TLS alone, such as a gateway's own CA: PEM. Throws TRUST_ANCHOR_INVALID. */
    installTlsCa: async (pem: string): Promise<void> => {
      const thumbprint = await checkAnchor(pem, 'tls')
      this.#store.commit(() => {
        this.#store.write('tls-ca', pem)
      })
      this.#stepper.remark('TRUST_CHANGED', `${thumbprint}, for TLS alone`)
      this.#road.change()
    },
  } as const

  /**
   * Specific licence reservation (R-SLR-1…8): what people carry between this box and its authority, as text. Each is on
   * disk when it resolves; what is refused changes nothing.
   */
  readonly reservation = {
    /** The reservation request code: the same until it is cancelled. Throws RESERVED, NOT_ALLOWED_IN_STATE. */
    request: (): Promise<string> => this.#reserve((box) => box.request()),
    /** Gives the request up; false when there was none. */
    cancel: (): Promise<boolean> => this.#reserve((box) => box.cancel()),
    /**
     * Installs the authorization file of the pending request; no connection is made from here on.
     *
     * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVED, RESERVATION_RETURNING, TRUST_ANCHOR_MISSING
     */
    install: (file: string): Promise<Status> =>
      this.#reserve((box) => {
        box.install(file)
        // What is open from the time before is closed too.
        this.#road.abort()
        return this.status()
      }),
    /** Installs a newer file; the status has the confirmation code. Throws as `install`, and RESERVATION_NONE. */
    update: (file: string): Promise<Status> =>
      this.#reserve((box) => {
        box.update(file)
        return this.status()
      }),
    /** Ends the grant and makes the return code; asked again, the same. Throws RESERVATION_NONE. */
    returnCode: (): Promise<string> => this.#reserve((box) => box.returnCode()),
    /** Completes the return. Throws RESERVATION_NONE, RESERVATION_NOT_RETURNING. */
    return: (): Promise<Status> =>
      this.#reserve((box) => {
        box.return()
        return this.status()
      }),
    /** The return code of a file whose request was cancelled. Throws SIGNED_FILE_*, AUTHORIZATION_*. */
    discard: (file: string): Promise<{ instanceId: string; returnCode: string }> =>
      this.#reserve((box) => {
        const { reservationId: instanceId, returnCode } = box.discard(file)
        return { instanceId, returnCode }
      }),
  } as const

  /** Without a pause in it: what was checked is so when it is taken. */
  async #reserve<T>(work: (box: BoxReservation) => T): Promise<T> {
    const { BoxReservation } = await import('./reservation.ts')
    this.#requireOpen()
    const done = work(new BoxReservation(this.#store, this.#stepper, this.#clock, this.#product))
    this.#wake()
    return done
  }

  /** Listens to what happens; returns how to stop. Called after it is on disk. */
  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    const guarded = (...args: Events[E]) => {
      try {
        listener(...args)
      } catch (thrown) {
        // What a listener does with the news is its own affair: it must not stop the agent.
        this.#logger.error('a listener failed', { event, reason: String(thrown) })
      }
    }
    this.#emitter.on(event, guarded as never)
    return () => this.#emitter.off(event, guarded as never)
  }

  #tell(transition: Transition): void {
    for (const notice of transition.notices) this.#emitter.emit('notice', notice)
    this.#emitter.emit('transition', transition)
    if (this.#emitter.listenerCount('state') > 0 && transition.event.type !== 'TICK')
      this.#emitter.emit('state', this.status())
    else if (stateWord(transition.before.value) !== stateWord(transition.after.value))
      this.#emitter.emit('state', this.status())
  }

  /** Removes secrets that nothing names any more: tokens of settled registrations, replaced keys. */
  #sweep(): void {
    const registering = this.#store.read('registering', registeringSchema)
    const names = [
      registering?.token,
      registering?.key,
      this.#store.read('identity', identitySchema)?.key,
      this.#store.read('outstanding', outstandingSchema)?.key,
      TRANSPORT_KEY,
      RESERVATION_SEED,
    ]
    this.#store.secrets.keepOnly(new Set(names.filter((name) => typeof name === 'string')))
  }

  /** Stops, with everything on disk. A request under way is made again by the next opening. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#heartbeat?.stop()
    // What was asked for is done, or refused, before the door closes.
    this.#ledger.flush()
    this.#stepper.tick()
    this.#closed = true
    this.#runner.stop()
    this.#settledEmitter.emit('closed')
    this.#road.abort()
    await Promise.resolve()
    this.#store.close()
  }
}

/** What is told to one who waits for a request under a registration that is over. */
const endedBy = (failure: Failure | null): LicensingError =>
  failure
    ? LicensingError.fromDocument(failure)
    : new LicensingError('NOT_REGISTERED', 'The registration ended before the request was answered.')

function parseProduct(product: NonNullable<OpenOptions['product']>): Product {
  const parsed = productSchema.safeParse({ size: 'small', ...product }, ENGLISH)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The product cannot be used: ${issue?.message ?? ''} (${issue?.path.join('.') ?? ''}).`,
  )
}
