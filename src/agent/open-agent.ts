import type { Clock } from '../core/clock.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile, ProfileInput } from '../core/profile.ts'
import { chooseProfile } from '../core/stored-profile.ts'
import { systemClock } from '../core/system-clock.ts'
import type { SqliteOptions } from '../core/sqlite.types.ts'
import type { TransportSettings } from '../transports/transport.ts'
import { type AgentCore, Device } from './agent-core.ts'
import { AgentEvents } from './agent-events.ts'
import { ClientFeed } from './client-feed.ts'
import type { MachineInspector } from './inspection-feed.ts'
import { Inspection } from './inspection.ts'
import { EvaluationMeter, LicenseClock } from './license-clock.ts'
import { adaptLogger, type AgentLogger } from './logger.ts'
import { MachineRunner } from './machine-runner.ts'
import { ModuleServices } from './module-services.ts'
import { ModuleSlot } from './module-slot.ts'
import { OperationQueue } from './operation-queue.ts'
import {
  identitySchema,
  parseProduct,
  type Product,
  productSchema,
  clockStateSchema,
} from './persisted-state.ts'
import type { ProductModule } from './product-module.ts'
import { resolvePeriods, readProfile, storeProfile } from './profile-store.ts'
import { RegistrationRequests } from './registration-requests.ts'
import { RequestAwaiter } from './request-awaiter.ts'
import { RequestRunner } from './request-runner.ts'
import { ReservationApi } from './reservation-api.ts'
import { describeStatus, type Status } from './status.ts'
import { AgentStore } from './store.ts'
import { TransportApi } from './transport-api.ts'
import {
  toStoredSettings,
  TransportManager,
  type TransportOptions,
  validateTrustAnchor,
} from './transport-manager.ts'
import { TrustApi } from './trust-api.ts'
import { replaceRoots } from './trust-store.ts'
import { deleteUnreferencedSecrets } from './unreferenced-secrets.ts'
import { Upgrades } from './upgrades.ts'
import { UsageLedger } from './usage-ledger.ts'
import { UsagePolicyCache } from './usage-policy.ts'
import { UsageReports } from './usage-reports.ts'
import { WorkScheduler } from './work-scheduler.ts'

export interface OpenOptions<
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
> extends TransportOptions {
  /** Directory of the agent's state, owned by the current user with mode 0700. */
  readonly dataDir: string
  /**
   * Product on this device. Creates the data directory if there is none. Otherwise product id and serial number must
   * match the stored ones. A higher version is an upgrade, and each new major version has one evaluation period.
   */
  readonly product?: Product
  /** Root certificate of the authority (PEM). Replaces the stored one. */
  readonly trust?: string
  /** Additional trust anchors for TLS only (PEM), such as the CA of a gateway. */
  readonly tlsCa?: string
  /** Transport settings. They replace the stored ones. */
  readonly transport?: TransportSettings
  /**
   * Profile of the product: tags, periods and policies. The first open stores the profile in the data directory, and
   * later calls may omit it. Default for a new directory: the profile of the module.
   */
  readonly profile?: ProfileInput<Tag>
  /**
   * True to let `profile` replace a different stored profile. The history records the replacement. A replacement
   * cannot extend an evaluation period and cannot drop a tag in use. Default: false.
   */
  readonly replaceProfile?: boolean | 'if-unregistered'
  /** Product module. Used only if the profile names it. */
  readonly module?: ProductModule<Api, StatusPart>
  readonly clock?: Clock
  readonly logger?: AgentLogger
  /**
   * Inspector of the state machine, such as the result of `createWebSocketInspector` of `@statelyai/inspect`. It receives the
   * newest transitions and then each event, without secrets.
   */
  readonly inspect?: MachineInspector
  /** SQLite of the data directory. Default: the installed module better-sqlite3. */
  readonly sqlite?: SqliteOptions
  /** True to run due work automatically. If false, call `tick()` and `idle()`. Default: true. */
  readonly heartbeat?: boolean
  /**
   * False to let the process end while the agent is open and no request is in progress, such as in a program that does not
   * call `close`. A served web console, metrics or inspector still keep the process alive. Default: true.
   */
  readonly keepAlive?: boolean
}

/** Services of an open agent. Each depends only on services created before it. */
export interface AgentServices<Api, StatusPart extends object> {
  readonly core: AgentCore
  readonly dataDir: string
  readonly keepAlive: boolean
  readonly transports: TransportManager
  readonly module: ModuleSlot<Api, StatusPart>
  readonly policies: UsagePolicyCache
  readonly ledger: UsageLedger
  readonly operations: OperationQueue
  readonly requests: RequestRunner
  readonly scheduler: WorkScheduler
  readonly registration: RegistrationRequests
  readonly upgrades: Upgrades
  readonly events: AgentEvents
  readonly transport: TransportApi
  readonly reservation: ReservationApi
  readonly trust: TrustApi
  readonly usage: UsageReports
  readonly feed: ClientFeed
  readonly inspection: Inspection
  readonly readStatus: () => Status & StatusPart
}

/** Opens the state of an agent, and creates its services. @throws LicensingError as `SmartAgent.open` */
export async function openAgent<Api, StatusPart extends object>(
  options: OpenOptions<Api, StatusPart>,
  { isNew }: { isNew: boolean },
): Promise<AgentServices<Api, StatusPart>> {
  const product = options.product && parseProduct(options.product)
  if (options.trust !== undefined) await validateTrustAnchor(options.trust)
  if (options.tlsCa !== undefined) await validateTrustAnchor(options.tlsCa, 'tls')
  const { dataDir, sqlite } = options
  const store = await AgentStore.open(dataDir, { create: product !== undefined, sqlite })
  try {
    const services = store.commit(() => createServices(store, product, options, isNew))
    if (options.inspect) services.inspection.feed.attach(options.inspect)
    services.ledger.releaseStaleHolds()
    if (!isNew) tickAgent(services)
    await services.upgrades.recordOpenedVersion(product?.version ?? null)
    deleteUnreferencedSecrets(store)
    if (options.heartbeat ?? true)
      await services.scheduler.start(() => {
        tickAgent(services)
      })
    return services
  } catch (error) {
    store.close()
    throw error
  }
}

/** Applies the elapsed time, and ends what has expired. */
export function tickAgent({ core, ledger, upgrades, scheduler }: AgentServices<unknown, object>): void {
  if (core.device.isClosed) return
  core.runner.tick()
  ledger.expire()
  upgrades.proceedLater()
  scheduler.wake()
}

/** Stops an agent, with its servers, and stores everything on disk. Requests in progress fail with AGENT_CLOSED. */
export async function closeAgent(
  { core, operations, requests, scheduler, transports }: AgentServices<unknown, object>,
  closeServers: () => Promise<void>,
): Promise<void> {
  scheduler.stop()
  // Queued operations run, or are refused, before the agent closes.
  operations.flush()
  core.runner.tick()
  core.device.close()
  requests.stop()
  transports.abort()
  // The servers still answer the requests that the lines above have refused.
  await closeServers()
  core.store.close()
}

/** Stores the options and creates the services of the agent, in one transaction. Starts nothing. */
export function createServices<Api, StatusPart extends object>(
  store: AgentStore,
  product: Product | undefined,
  options: OpenOptions<Api, StatusPart>,
  isNew: boolean,
): AgentServices<Api, StatusPart> {
  const current = requireProduct(store, product, { dataDir: options.dataDir, isNew })
  const { profile, replaceProfile, module } = options
  const choice = chooseProfile(readProfile(store), {
    profile,
    replaceProfile,
    defaultProfile: module?.profile,
  })
  storeProfile(store, choice, replaceProfile === 'if-unregistered')
  if (options.trust !== undefined) replaceRoots(store, options.trust)
  if (options.tlsCa !== undefined) store.write('tls-ca', options.tlsCa)
  if (options.transport) store.write('transport', toStoredSettings(options.transport, store))
  const core = createCore(store, current, choice.profile, options)
  const services = connectServices(core, options)
  if (choice.kind === 'replaced')
    core.runner.recordNotice('PROFILE_REPLACED', `${choice.before.name} by ${choice.profile.name}`)
  return services
}

/** @throws LicensingError DATA_DIR_EXISTS, DATA_DIR_MISSING, INVALID_ARGUMENT */
function requireProduct(
  store: AgentStore,
  product: Product | undefined,
  { dataDir, isNew }: { dataDir: string; isNew: boolean },
): Product {
  const stored = store.read('product', productSchema)
  if (stored && isNew) throw new LicensingError('DATA_DIR_EXISTS', `An agent already exists in ${dataDir}.`)
  const known = stored ?? product
  if (!known) throw new LicensingError('DATA_DIR_MISSING', `The data directory ${dataDir} contains no agent.`)
  if (stored && product && (stored.pid !== product.pid || stored.serial !== product.serial))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The data directory belongs to ${stored.pid}:${stored.serial}.`,
    )
  if (!stored) store.write('product', known)
  return known
}

function createCore(
  store: AgentStore,
  product: Product,
  profile: ProductProfile,
  options: Pick<OpenOptions, 'clock' | 'logger'>,
): AgentCore {
  const systemTime = options.clock ?? systemClock
  const logger = adaptLogger(options.logger)
  const clock = new LicenseClock(systemTime, store.read('clock', clockStateSchema))
  const runner = new MachineRunner(store, clock, new EvaluationMeter(systemTime), {
    logger,
    periods: resolvePeriods(profile),
  })
  return { store, clock, runner, device: new Device(product), profile, logger }
}

function connectServices<Api, StatusPart extends object>(
  core: AgentCore,
  options: OpenOptions<Api, StatusPart>,
): AgentServices<Api, StatusPart> {
  const { store, clock, runner, device, profile, logger } = core
  const transports = new TransportManager(store, clock, logger, options)
  const module = new ModuleSlot(store, profile, options.module)
  const readStatus = () =>
    withModulePart(
      describeStatus(runner.present, {
        product: device.product,
        profile,
        transport: transports.readSettings(),
        authority: store.read('identity', identitySchema)?.authority ?? null,
        clock: clock.trustStatus(),
        now: clock.now(),
      }),
      module.state?.status(),
    )
  const policies = new UsagePolicyCache(profile)
  const ledger = new UsageLedger(core, module)
  const operations = new OperationQueue(core, ledger, module)
  const events = new AgentEvents(runner, logger, readStatus)
  const requests = new RequestRunner(core, transports)
  const scheduler = new WorkScheduler(core, requests, options.keepAlive ?? true)
  const awaiter = new RequestAwaiter(runner, requests, scheduler, readStatus)
  const registration = new RegistrationRequests(core, transports, awaiter)
  const reservation = new ReservationApi(core, transports, readStatus)
  const upgrades = new Upgrades(core, { module, requests: registration, reservation, readStatus })
  module.connect(new ModuleServices(core, ledger, operations, registration), device)
  runner.events.on('secretsReleased', () => {
    deleteUnreferencedSecrets(store)
  })
  requests.events.on('settled', () => {
    deleteUnreferencedSecrets(store)
    upgrades.proceedLater()
  })
  return {
    core,
    dataDir: options.dataDir,
    keepAlive: options.keepAlive ?? true,
    transports,
    module,
    policies,
    ledger,
    operations,
    requests,
    scheduler,
    registration,
    upgrades,
    events,
    transport: new TransportApi(core, transports, readStatus),
    reservation,
    trust: new TrustApi(core, transports),
    usage: new UsageReports(core, ledger.history),
    feed: new ClientFeed(core, policies, module, readStatus),
    inspection: new Inspection(core),
    readStatus,
  }
}

/** Merges the module's part into the Status document, including its members of `product`. */
function withModulePart<StatusPart extends object>(
  status: Status,
  part: StatusPart | undefined,
): Status & StatusPart {
  const product = part && 'product' in part ? (part.product as object) : {}
  return { ...status, ...part, product: { ...status.product, ...product } } as Status & StatusPart
}
