import type { Clock } from '../core/clock.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProfileInput } from '../core/profile.ts'
import type { ServerLogger } from '../core/server-logger.ts'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'
import { checkPrivateDirectory } from '../storage/private-files.ts'
import { withTimeout } from '../transports/deadline.ts'
import type { Transport, TransportSettings } from '../transports/transport.ts'
import { AuditService } from './audit/audit-service.ts'
import { markRestoreFinished } from './backup/restore-marker.ts'
import { AuthorityClock } from './context/authority-clock.ts'
import { AuthorityTransactions } from './context/transactions.ts'
import { ExchangeEndpoint } from './exchange/request-endpoint.ts'
import { ApiClients } from './identity/api-clients.ts'
import { SignInStore } from './identity/session-store.ts'
import { UserRepository } from './identity/users.ts'
import { StoredProfile } from './inventory/stored-profile.ts'
import { Credentials } from './keys/credentials.ts'
import { BackgroundWork } from './maintenance/background-work.ts'
import { IssuedMark } from './maintenance/issued-mark.ts'
import { Maintenance } from './maintenance/maintenance.ts'
import { Mailer } from './notifications/mailer.ts'
import { NotificationService } from './notifications/notification-service.ts'
import { WebhookService } from './notifications/webhook-service.ts'
import { type AuthorityObserver, noopObserver } from './observer.ts'
import { Schedules } from './reports/schedules.ts'
import { SyncService } from './satellite-sync/sync-service.ts'
import { SatelliteService } from './satellites/satellite-service.ts'
import { AccountService } from './services/account-service.ts'
import { AlertService } from './services/alert-service.ts'
import { BackupService } from './services/backup-service.ts'
import { EventService } from './services/event-service.ts'
import { InstanceService } from './services/instance-service.ts'
import { LicenseService } from './services/license-service.ts'
import { OrderService } from './services/order-service.ts'
import { ReportService } from './services/report-service.ts'
import { ReservationService } from './services/reservation-service.ts'
import { StatsService } from './services/stats-service.ts'
import { TokenService } from './services/token-service.ts'
import { TrustService } from './services/trust-service.ts'
import { AuthorityServer, type ListenOptions } from './serving/authority-server.ts'
import { TlsCertificates } from './serving/tls-certificates.ts'
import { initAuthority } from './setup/init-authority.ts'
import { AuthorityStore, storeExists } from './store/store.ts'
import { TimeFloor } from './store/time-floor.ts'

/** Options of `Authority.open`. */
export interface OpenOptions {
  readonly dataDir: string
  readonly clock?: Clock
  readonly logger?: ServerLogger
  /** The URL of the PostgreSQL database. The default is the URL in the data directory. */
  readonly database?: string | undefined
  /** The profile of the product whose licenses the authority issues. The default is the stored profile. */
  readonly profile?: ProfileInput
  /**
   * Allows `profile` to replace the stored profile. The authority logs the replacement, and refuses a profile
   * without a tag that is in use. Default: false.
   */
  readonly replaceProfile?: boolean
  /** Creates the transport of a satellite to its manager. For tests. */
  readonly createTransport?: (settings: TransportSettings) => Transport
  /** Observes requests and transactions, for metrics and traces. */
  readonly observer?: AuthorityObserver
}

/** Services for identity, keys, access control and audit. */
export interface SecurityServices {
  /** The authority's identity in certificates and answers. `test` is true if the authority allows fault injection. */
  readonly identity: { readonly id: string; readonly role: 'manager' | 'satellite'; readonly test: boolean }
  /** The keys and certificates of the authority. */
  readonly trust: TrustService
  /** The users of the web console. */
  readonly users: UserRepository
  /** The clients of the REST API. */
  readonly apiClients: ApiClients
  /** The sessions of the web console, and the failed logins of each address. */
  readonly signIns: SignInStore
  /** The audit log. */
  readonly audit: AuditService
}

/** Services for running the authority and for notifying users and programs. */
export interface OperationServices {
  readonly events: EventService
  readonly alerts: AlertService
  readonly reports: ReportService
  /** Scheduled reports. */
  readonly schedules: Schedules
  readonly stats: StatsService
  /** The recipients of e-mail notifications. */
  readonly notifications: NotificationService
  /** The recipients of webhook events. */
  readonly webhooks: WebhookService
  readonly mail: Mailer
  readonly backups: BackupService
  /** Answers the requests of agents and satellites. */
  readonly endpoint: ExchangeEndpoint
  readonly server: AuthorityServer
}

/** Time for which a closing authority waits for the delivery of webhooks that is in progress. */
const CLOSE_TIMEOUT_MS = 2 * SECOND

const noopLogger: ServerLogger = { info: () => undefined, error: () => undefined }

/**
 * The license server: smart accounts with their pools, tokens and product instances, and the answers to agents. Several
 * processes may use one data directory at the same time.
 */
export class Authority {
  static readonly init = initAuthority

  readonly accounts: AccountService
  readonly orders: OrderService
  readonly licenses: LicenseService
  readonly tokens: TokenService
  readonly instances: InstanceService
  readonly reservations: ReservationService
  /** The satellites of a manager. */
  readonly satellites: SatelliteService
  /** The synchronization of a satellite with its manager. */
  readonly sync: SyncService
  readonly security: SecurityServices
  readonly operations: OperationServices
  readonly #context: AuthorityTransactions
  readonly #mark: IssuedMark

  private constructor(
    context: AuthorityTransactions,
    { dataDir, createTransport, logger = noopLogger, observer = noopObserver }: OpenOptions,
  ) {
    this.#context = context
    this.#mark = new IssuedMark(dataDir, context, logger)
    const { store } = context
    store.onTransaction = (seconds) => {
      observer.transaction(seconds)
    }
    this.accounts = new AccountService(context)
    this.orders = new OrderService(context)
    this.licenses = new LicenseService(context)
    this.tokens = new TokenService(context)
    this.instances = new InstanceService(context)
    this.reservations = new ReservationService(context)
    this.satellites = new SatelliteService(context)
    this.sync = new SyncService(context, createTransport)
    this.security = createSecurity(context)
    const endpoint = new ExchangeEndpoint(context, this.satellites, { observer, logger })
    this.operations = createOperations(context, {
      dataDir,
      logger,
      endpoint,
      sync: this.sync,
      mark: this.#mark,
      audit: this.security.audit,
    })
  }

  /** @throws LicensingError DATA_DIR_MISSING, DATA_DIR_UNSAFE, PROFILE_MISMATCH, PROFILE_TAG_IN_USE, STORE_* */
  static async open(options: OpenOptions): Promise<Authority> {
    const { dataDir, clock = systemClock, database } = options
    if (!storeExists(dataDir) && database === undefined)
      throw new LicensingError('DATA_DIR_MISSING', `There is no authority in ${dataDir}.`)
    checkPrivateDirectory(dataDir)
    const store = await AuthorityStore.open(dataDir, database)
    try {
      const { credentials, profile, timeFloor } = await store.transaction(async (tx) => {
        const credentials = await Credentials.load(dataDir, tx)
        if (store.kind === 'postgres') await markRestoreFinished(tx)
        const timeFloor = await TimeFloor.read(tx)
        const profile = await StoredProfile.load(tx, options, Math.max(clock.wall(), timeFloor))
        return { credentials, profile, timeFloor }
      })
      const authorityClock = new AuthorityClock(clock, credentials.keyRing.identity.role, timeFloor)
      const maintenance = new Maintenance(authorityClock, credentials, profile)
      const context = new AuthorityTransactions(store, authorityClock, maintenance, { credentials, profile })
      return new Authority(context, options)
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** Returns the root certificate that agents trust, as PEM. */
  trustAnchor(): string {
    return this.#context.credentials.keyRing.root
  }

  /**
   * Serves agents over HTTPS until the authority is closed.
   *
   * @returns the URL of the server
   * @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED, INVALID_ARGUMENT
   */
  async listen(options: ListenOptions): Promise<string> {
    await this.#mark.check()
    return this.operations.server.listen(options)
  }

  /** Closes the authority within a few seconds, even if its database hangs. */
  async close(): Promise<void> {
    await this.operations.server.close()
    await withTimeout(CLOSE_TIMEOUT_MS, this.operations.webhooks.close())
    this.sync.close()
    await this.#context.store.close()
  }
}

function createSecurity(context: AuthorityTransactions): SecurityServices {
  const { store, credentials } = context
  const { id, role, test } = credentials.keyRing.identity
  const users = new UserRepository(store)
  return {
    identity: { id, role, test },
    trust: new TrustService(context),
    users,
    apiClients: new ApiClients(context, users),
    signIns: new SignInStore(store, context.clock),
    audit: new AuditService(context),
  }
}

function createOperations(
  context: AuthorityTransactions,
  dependencies: {
    dataDir: string
    logger: ServerLogger
    endpoint: ExchangeEndpoint
    sync: SyncService
    mark: IssuedMark
    audit: AuditService
  },
): OperationServices {
  const { dataDir, logger, endpoint, sync, mark, audit } = dependencies
  const services = {
    schedules: new Schedules(context),
    notifications: new NotificationService(context),
    webhooks: new WebhookService(context),
    mail: new Mailer(context),
  }
  const isSatellite = context.credentials.keyRing.identity.role === 'satellite'
  const background = new BackgroundWork({ ...services, mark, audit, sync: isSatellite ? sync : null })
  const tls = new TlsCertificates(context)
  const server = new AuthorityServer(context, { endpoint, tls, background }, logger)
  return {
    ...services,
    events: new EventService(context),
    alerts: new AlertService(context),
    reports: new ReportService(context),
    stats: new StatsService(context, server),
    backups: new BackupService(dataDir, context.store),
    endpoint,
    server,
  }
}
