import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { type Instant, iso, MINUTE } from '../core/time.ts'
import type { ProductProfile, ProfileInput } from '../core/profile.ts'
import { systemClock } from '../core/system-clock.ts'
import { HELLO_AUDIENCE, PROTOCOL_VERSION, type RequestType, type Sealed } from '../protocol/messages.ts'
import { readEnrolmentCode } from '../protocol/enrolment.ts'
import type { ConnectionGuard } from '../http/connection-limiter.ts'
import { withTimeout } from '../transports/deadline.ts'
import type { Transport, TransportSettings } from '../transports/transport.ts'
import type { Credential } from '../pki/certificate-generation.ts'
import { ChainError, readRoots } from '../pki/chain-validation.ts'
import { checkPrivateDirectory, ensurePrivateDirectory } from '../storage/private-files.ts'
import { seal } from '../pki/signed-message.ts'
import {
  type Account,
  addAccount,
  addVirtualAccount,
  chooseAccount,
  chooseVirtualAccount,
  type LicenseDocument,
  listAccounts,
  listLicenses,
  listVirtualAccounts,
  removeVirtualAccount,
  setDefaultVirtualAccount,
  type VirtualAccount,
} from './inventory/accounts.ts'
import { actingAs } from './events/actor.ts'
import { AlertReader } from './alerts/alert-reader.ts'
import { AuditDoor } from './audit/audit-service.ts'
import type { AlertDocument } from './alerts/alerts.ts'
import { endRestore } from './backup/restore-marker.ts'
import { makeBackup, type RestoreOptions, restoreBackup } from './backup/backup.ts'
import type { Restored } from './backup/start-new-epoch.ts'
import { ApiClients } from './identity/api-clients.ts'
import { People } from './identity/users.ts'
import { listNumberedAccounts, type NumberedAccount } from './inventory/numeric-ids.ts'
import { Credentials } from './keys/credentials.ts'
import { type Desk, requireRole, type Where } from './context.ts'
import { type Figures, readFigures } from './stats.ts'
import {
  type EventDocument,
  type EventFilter,
  eventsAfter,
  listEvents,
  logEvent,
} from './events/event-log.ts'
import { Exchange } from './exchange/request-handler.ts'
import { Exchanges, type Outcome } from './exchange/exchange-batcher.ts'
import {
  endExpired,
  type InstanceDocument,
  listInstances,
  removeInstance,
  reservedInstance,
  showInstance,
} from './inventory/instances.ts'
import { type Leave, unlimited, whyNothingNew } from './issuing-limits.ts'
import { type LicenseTransaction, listLicenseTransactions } from './inventory/license-transactions.ts'
import { type ReportDocument, type ReportKind, Reports } from './reports/reports.ts'
import { confirmInstance, confirmToken } from './exchange/restore-review.ts'
import { type ReservationDocument, ReservationLedger } from './inventory/reservation-ledger.ts'
import { listReported, orphanedReservation } from './satellites/reported-instances.ts'
import { type Asking, type IssuedAuthorization, type Quantities, Reservations } from './reservations.ts'
import { settleProfile } from './inventory/stored-profile.ts'
import { type Answered, readHello, type SignedRequest, wantedBy } from './exchange/requests.ts'
import { NotificationDoor } from './notifications/notification-service.ts'
import { type MailDocument, type MailRoad, Post } from './notifications/mailer.ts'
import { followUpOrders, type OrderDocument, Orders, type Wanted, warnOfTerms } from './inventory/orders.ts'
import type { RequestRecord } from './serving/fault-injector.ts'
import { SatelliteDoor } from './satellites/satellite-service.ts'
import { satellitesCovering } from './satellites/server-names.ts'
import { Schedules } from './reports/schedules.ts'
import { checkSatelliteName, followUpSatellites } from './satellites/satellites.ts'
import { type AuthorityObserver, type ExchangeWatch, inProcess, type Origin, unobserved } from './observer.ts'
import type { ServerLogger } from '../core/server-logger.ts'
import type { Unreadiness } from './serving/routes.ts'
import {
  type InProcessAnswer,
  type InProcessRequest,
  type ListenOptions,
  Serving,
} from './serving/authority-server.ts'
import { SignIns } from './identity/session-store.ts'
import {
  breaksCompliance,
  type TransferDocument,
  Transfers,
  type WantedTransfer,
} from './inventory/transfers.ts'
import {
  AuthorityStore,
  countedCorrections,
  nameDatabase,
  readSetting,
  requireWriter,
  storeExists,
  type Tx,
  writeSetting,
} from './store/store.ts'
import { SyncDoor, writeRoad } from './satellite-sync/sync-service.ts'
import { Synchronisation } from './satellite-sync/synchronization.ts'
import { TrustDoor } from './keys/trust-service.ts'
import { WebhookDoor } from './notifications/webhook-service.ts'
import { WorkingSet } from './exchange/working-set.ts'
import { ticketKey } from './tls-session-ticket-keys.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type TokenDocument,
  type TokenOptions,
} from './inventory/tokens.ts'

/** What was refused in a transaction that is kept: a wrong code counts. */
function orThrow<T>(outcome: T | LicensingError): T {
  if (outcome instanceof LicensingError) throw outcome
  return outcome
}

/** @throws LicensingError TRUST_ANCHOR_INVALID */
function checkRoot(pem: string): string {
  try {
    readRoots(pem)
    return pem
  } catch (thrown) {
    if (!(thrown instanceof ChainError)) throw thrown
    throw new LicensingError(
      'TRUST_ANCHOR_INVALID',
      `The root certificate cannot be used: ${thrown.message}.`,
    )
  }
}

/** What the answers of one transaction share. */
interface AnswerContext {
  readonly time: Instant
  readonly signer: Credential
  readonly leave: Leave
}

/** What gets no signed answer. What else is thrown is an accident, and undoes the transaction. */
function asOutcome(thrown: unknown): LicensingError {
  if (thrown instanceof LicensingError && !/^(INTERNAL$|STORE_|DATABASE_)/.test(thrown.code)) return thrown
  throw thrown
}

/** Undoes a transfer that was only to be seen. */
class Previewed extends Error {
  readonly document: TransferDocument
  constructor(document: TransferDocument) {
    super('a preview')
    this.document = document
  }
}

/** How a transfer is meant. */
export interface TransferOptions {
  readonly preview?: boolean
  readonly confirmed?: boolean
}

/** What sees an exchange pass, and what it is told of its end. */
interface Watching extends Omit<ExchangeWatch, 'end'> {
  refusal: string | null
}

const silent: ServerLogger = { info: () => undefined, error: () => undefined }

/** Milliseconds that the database has to say whether it is there. */
const READY_WITHIN = 2_000

/**
 * The licensing authority: smart accounts and their pools, tokens, product instances, and the answers to their
 * agents. Commands and servers may work on one data directory at the same time.
 */
export class Authority {
  readonly #dataDir: string
  readonly #store: AuthorityStore
  readonly #credentials: Credentials
  readonly #clock: Clock
  readonly #logger: ServerLogger
  readonly #profile: ProductProfile
  readonly #observer: AuthorityObserver
  /** The highest time told so far, and when that was by a clock nobody can set. */
  #told: { time: Instant; monotonic: number }
  #lookedAfter = -Infinity
  /** The names that this process was served under when it last looked for satellites with names of its own. */
  #servedNames: string | null = null
  #asked: Promise<readonly Unreadiness[]> | null = null
  #corrections = 0
  readonly #desk: Desk
  readonly #exchanges: Exchanges<AnswerContext>
  readonly #serving: Serving
  readonly #post: Post
  /** A manager's satellites. */
  readonly satellites: SatelliteDoor
  /** A satellite's synchronisation with its manager. */
  readonly sync: SyncDoor
  /** Its keys and certificates: shown, replaced, taken off the machine. */
  readonly trust: TrustDoor
  /** Who signs in at its page. */
  readonly people: People
  /** The programs that use its REST API. */
  readonly apiClients: ApiClients
  /** Who is signed in there. */
  readonly signIns: SignIns
  /** Who did what, and what was refused. */
  readonly audit: AuditDoor
  /** Programs that are told of events. */
  readonly webhooks: WebhookDoor
  /** People who are told by e-mail. */
  readonly notifications: NotificationDoor
  /** Reports that are made again and again. */
  readonly schedules: Schedules

  private constructor(
    dataDir: string,
    store: AuthorityStore,
    credentials: Credentials,
    clock: Clock,
    logger: ServerLogger,
    profile: ProductProfile,
    told: Instant,
    connect: ((settings: TransportSettings) => Transport) | undefined,
    observer: AuthorityObserver,
  ) {
    this.#observer = observer
    store.observe = (seconds) => {
      observer.transaction(seconds)
    }
    this.#dataDir = dataDir
    this.#store = store
    this.#credentials = credentials
    this.#clock = clock
    this.#logger = logger
    this.#profile = profile
    this.#told = { time: told, monotonic: clock.monotonic() }
    this.#desk = {
      credentials,
      profile,
      wall: () => clock.wall(),
      in: (where, work) => this.#in(where, work),
      inVirtual: (where, work) => this.#inVirtual(where, work),
    }
    this.satellites = new SatelliteDoor(this.#desk)
    this.sync = new SyncDoor(this.#desk, connect)
    this.trust = new TrustDoor(credentials, (work) =>
      this.#store.transaction(async (tx) => work(tx, await this.#housekeep(tx))),
    )
    this.people = new People((work) => this.#store.transaction(work))
    this.apiClients = new ApiClients(this.#desk, this.people, {
      write: (work) => this.#store.transaction(async (tx) => work(tx, await this.#time(tx))),
      read: (work) => this.#store.read(async (tx) => work(tx, await this.#time(tx))),
    })
    this.signIns = new SignIns(
      (work) => this.#store.transaction(work),
      () => this.#now(),
    )
    const timely = <T>(work: (tx: Tx, at: Instant) => Promise<T>) =>
      this.#store.transaction(async (tx) => work(tx, await this.#housekeep(tx)))
    this.audit = new AuditDoor(timely, credentials)
    this.webhooks = new WebhookDoor(this.#desk, timely)
    this.schedules = new Schedules(this.#desk, timely)
    this.notifications = new NotificationDoor(this.#desk, timely, async (tx, at, accountId, virtualId) => {
      const account = (await listAccounts(tx)).find(({ id }) => id === accountId)
      if (!account) return []
      const virtual = (await listVirtualAccounts(tx, accountId)).find(({ id }) => id === virtualId)
      return virtualId === null || virtual ? this.#alerts(tx, account, virtual ?? null, at) : []
    })
    this.#exchanges = new Exchanges((requests, decided) => this.#decide(requests, decided), clock)
    this.#post = new Post(timely, credentials)
    this.#serving = new Serving({
      handle: (type, message, origin) => this.handle(type, message, origin),
      hello: (message, origin) => this.#watched('hello', origin, () => this.hello(message)),
      synchronise: (request, origin) =>
        this.#watched('synchronise', origin, () => this.satellites.respondByWire(request)),
      isSatellite: (proof) => this.satellites.isKnown(proof),
      require: (type) => {
        this.#require(type)
      },
      unready: () => this.#unready(),
      tls: (names) =>
        this.#store.transaction(async (tx) => {
          const at = await this.#housekeep(tx)
          const { credential, leftOut } = await credentials.tls(tx, names, at)
          await this.#tellNameConflicts(tx, names, at)
          return { credential, leftOut, tickets: await ticketKey(tx, credentials, at) }
        }),
      beat: () => this.#beat(),
      now: () => this.#now(),
      test: credentials.identity.test,
      logger,
    })
  }

  static exists(dataDir: string): boolean {
    return storeExists(dataDir)
  }

  /**
   * Makes an authority with its first smart account, whose licence agreement is accepted with it (R-ACC-8): a manager, or
   * a satellite, which gets what it gives from its manager.
   *
   * @throws LicensingError DATA_DIR_EXISTS, AGREEMENT_NOT_ACCEPTED, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, CODE_*, STORE_*
   */
  static async init(options: {
    dataDir: string
    account: string
    acceptAgreement: boolean
    test?: boolean
    clock?: Clock
    /** The PostgreSQL database that its data is in, `postgres://…`: its data directory names it from then on. */
    database?: string | undefined
    /** The product whose licenses it gives, stored with its data; the shipped conferencing profile unless given. */
    profile?: ProfileInput | undefined
    satellite?: {
      /** The name that it was added under at its manager. */
      readonly name: string
      /** The manager's root: PEM; the first answer brings it otherwise. */
      readonly trust?: string | undefined
      /** The one-time code of `satellite add`, for a first exchange by wire. */
      readonly code?: string | undefined
      /** How it reaches its manager; by hand without. */
      readonly manager?: TransportSettings | undefined
    }
  }): Promise<void> {
    if (!options.acceptAgreement) {
      throw new LicensingError('AGREEMENT_NOT_ACCEPTED', 'The licence agreement was not accepted.', {
        remedy: 'Give --accept-agreement, or ask someone with the authority to do so.',
      })
    }
    const { satellite, test = false, database } = options
    const name = satellite && checkSatelliteName(satellite.name)
    const root = satellite?.trust === undefined ? null : checkRoot(satellite.trust)
    const code = satellite?.code === undefined ? null : readEnrolmentCode(satellite.code)
    ensurePrivateDirectory(options.dataDir)
    const at = (options.clock ?? systemClock).wall()
    const store = await AuthorityStore.open(options.dataDir, database)
    try {
      await store.transaction(async (tx) => {
        if ((await readSetting(tx, 'authority')) !== null) {
          throw new LicensingError(
            'DATA_DIR_EXISTS',
            `There is an authority in ${database === undefined ? options.dataDir : 'that database'} already.`,
          )
        }
        if (database !== undefined) nameDatabase(options.dataDir, database)
        await settleProfile(tx, { profile: options.profile }, at)
        const { domain } = await addAccount(tx, options.account, at)
        const facts = { id: randomUUID(), account: domain, test }
        if (name === undefined) {
          await Credentials.create(options.dataDir, tx, { ...facts, role: 'manager', at })
          return
        }
        const credentials = await Credentials.createSatellite(options.dataDir, tx, { ...facts, root })
        await Synchronisation.begin(tx, {
          name,
          code: code === null ? null : credentials.sealSecret(code),
          at,
        })
        if (satellite?.manager) await writeRoad(tx, credentials, satellite.manager)
      })
    } finally {
      await store.close()
    }
  }

  /** @throws LicensingError DATA_DIR_MISSING, DATA_DIR_UNSAFE, PROFILE_MISMATCH, PROFILE_TAG_IN_USE, STORE_* */
  static async open(options: {
    dataDir: string
    clock?: Clock
    logger?: ServerLogger
    /** Its PostgreSQL database, where that is not the one its data directory names. */
    database?: string | undefined
    /** The product whose licenses it gives, where another than the stored one is wanted or expected. */
    profile?: ProfileInput
    /** Lets `profile` replace the stored one: an event of the log. No tag in use is dropped. Default: false. */
    replaceProfile?: boolean
    /** A road to the manager of one's own, for tests. */
    connect?: (settings: TransportSettings) => Transport
    /** Sees what it does: metrics, traces. */
    observe?: AuthorityObserver
  }): Promise<Authority> {
    const { dataDir, clock = systemClock, logger = silent, connect, database, observe = unobserved } = options
    if (!storeExists(dataDir) && database === undefined)
      throw new LicensingError('DATA_DIR_MISSING', `There is no authority in ${dataDir}.`)
    checkPrivateDirectory(dataDir)
    const store = await AuthorityStore.open(dataDir, database)
    try {
      const [credentials, profile, told] = await store.transaction(async (tx) => {
        const credentials = await Credentials.load(dataDir, tx)
        if (store.kind === 'postgres') await endRestore(tx)
        const told = Number((await readSetting(tx, 'told-time')) ?? 0)
        const profile = await settleProfile(tx, options, Math.max(clock.wall(), told))
        return [credentials, profile, told] as const
      })
      return new Authority(dataDir, store, credentials, clock, logger, profile, told, connect, observe)
    } catch (thrown) {
      await store.close()
      throw thrown
    }
  }

  /** A satellite that was certified before a name was the manager's can still show it: that is told, for people to end it. */
  async #tellNameConflicts(tx: Tx, names: readonly string[], at: Instant): Promise<void> {
    const served = names.join()
    if (this.role !== 'manager' || served === this.#servedNames) return
    this.#servedNames = served
    const conflicts = await satellitesCovering(tx, await this.#credentials.serverNames(tx))
    for (const { satellite, accountId, name } of conflicts) {
      const message = `${satellite}: its certificates may be for ${name}, which is a name of this manager now. \`satellite set ${satellite} --tls-name\` gives it others; what it was given before ends with its CA.`
      await logEvent(tx, { at, type: 'TLS_NAME_OF_SATELLITE', severity: 'major', accountId, message })
    }
  }

  /** The authority's time: the wall clock's, except that it never goes back behind an answer (trust §3). */
  #now(): Instant {
    const { time, monotonic } = this.#told
    const since = Math.max(0, this.#clock.monotonic() - monotonic)
    return Math.floor(Math.max(this.#clock.wall(), time + since))
  }

  get id(): string {
    return this.#credentials.identity.id
  }

  /** The root certificate agents are given: PEM. */
  trustAnchor(): string {
    return this.#credentials.root
  }

  get role(): 'manager' | 'satellite' {
    return this.#credentials.identity.role
  }

  /** Whether it was made for tests, and may be told to misbehave. */
  get test(): boolean {
    return this.#credentials.identity.test
  }

  /** The product whose licences it gives. */
  get product(): ProductProfile {
    return this.#profile
  }

  // Exchanges

  /**
   * One exchange with an agent: decided and on disk before it is answered.
   *
   * @throws LicensingError REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*: for what
   * gets no signed answer
   */
  handle(type: RequestType, message: unknown, origin: Origin = inProcess): Promise<Sealed> {
    return this.#watched(type, origin, (watch) => this.#exchange(type, message, origin, watch))
  }

  async #exchange(
    type: RequestType,
    message: unknown,
    { requestId }: Origin,
    watch: Watching,
  ): Promise<Sealed> {
    const { decided, context } = await this.#exchanges.take(type, message, watch)
    const { time, signer, leave } = context
    watch.step('seal')
    const { decision } = decided
    if (decision.outcome === 'refused') watch.refusal = decision.code
    this.#logger.info('exchange', {
      type,
      outcome: decision.outcome,
      ...(decision.outcome === 'refused' && { code: decision.code }),
      audience: decided.audience,
      ...(requestId !== null && { requestId }),
      ...(watch.traceId !== null && { traceId: watch.traceId }),
    })
    return seal(this.#answer(decided, time, leave), {
      type: 'sla-answer+jws',
      privateKey: signer.privateKey,
      certificates: signer.certificates,
    })
  }

  /** Decides exchanges in one transaction. */
  async #decide(
    requests: readonly SignedRequest[],
    decided: () => void,
  ): Promise<{ outcomes: Outcome[]; context: AnswerContext }> {
    const done = await this.#store.transaction(async (tx) => {
      const time = await this.#housekeep(tx)
      const leave = await this.#leave(tx, time)
      const set = await WorkingSet.of(tx, wantedBy(requests), time)
      const { underLoad } = this.#exchanges
      const exchange = new Exchange(set, this.#credentials, this.#profile, leave, underLoad)
      const outcomes: Outcome[] = []
      for (const request of requests) outcomes.push(await exchange.decide(request).catch(asOutcome))
      await set.flush()
      const signer = await this.#credentials.answerSigner(tx, time)
      await writeSetting(tx, 'told-time', String(time))
      decided()
      return { outcomes, context: { time, signer, leave } }
    })
    this.#told = { time: done.context.time, monotonic: this.#clock.monotonic() }
    return done
  }

  /**
   * Says that it is there, signed, to whoever asks. Decides nothing and writes nothing.
   *
   * @throws LicensingError REQUEST_MALFORMED
   */
  async hello(message: unknown): Promise<Sealed> {
    const request = readHello(message)
    const { time, signer, leave } = await this.#store.look(async (tx) => {
      const time = Math.max(this.#now(), Number((await readSetting(tx, 'told-time')) ?? 0))
      await this.#credentials.refresh(tx, time)
      return {
        time,
        signer: await this.#credentials.answerSigner(tx, time),
        leave: await this.#leave(tx, time),
      }
    })
    return seal(
      this.#answer({ request, audience: HELLO_AUDIENCE, decision: { outcome: 'accepted' } }, time, leave),
      {
        type: 'sla-answer+jws',
        privateKey: signer.privateKey,
        certificates: signer.certificates,
      },
    )
  }

  /** What may be granted now: by a manager anything. */
  async #leave(tx: Tx, at: Instant): Promise<Leave> {
    if (this.role === 'manager') return unlimited
    const sync = await Synchronisation.open(tx, this.#credentials, await chooseAccount(tx, undefined), at)
    const { grants, refusal, frozen } = sync
    return { mandate: grants?.mandate ?? null, notAfter: grants?.notAfter ?? at, refusal, frozen }
  }

  /** What a satellite may not promise now. @throws LicensingError SATELLITE_NOT_REGISTERED, SATELLITE_OUT_OF_TOUCH, SATELLITE_IN_DOUBT */
  async #requireLeave(tx: Tx, at: Instant): Promise<Leave> {
    const leave = await this.#leave(tx, at)
    const no = whyNothingNew(leave)
    if (no) throw no
    return leave
  }

  #answer({ request, audience, decision }: Answered, time: Instant, leave: Leave): object {
    const { id, role, test, epoch, trust } = this.#credentials.identity
    const trustBundles = this.#credentials.bundlesAfter(request.trustBundle)
    return {
      protocol: PROTOCOL_VERSION,
      direction: 'answer',
      type: request.type,
      messageId: request.messageId,
      nonce: request.nonce,
      audience,
      authority: { id, role, test },
      time: iso(time),
      epoch,
      trustBundle: trust.number,
      ...(trustBundles.length > 0 && { trustBundles }),
      mandate: leave.mandate,
      decision,
    }
  }

  /** Whether an exchange of this type may come at all: one that may not is seen, too. @throws LicensingError AUTHORITY_BUSY */
  #require(type: RequestType): void {
    try {
      this.#exchanges.require(type)
    } catch (thrown) {
      const { code } = asLicensingError(thrown)
      this.#observer.exchange(type, inProcess).end({ outcome: 'failed', code })
      throw thrown
    }
  }

  /** Lets the observer see an exchange, however it ends. */
  async #watched<T>(
    type: Parameters<AuthorityObserver['exchange']>[0],
    origin: Origin,
    work: (watch: Watching) => Promise<T>,
  ): Promise<T> {
    const seen = this.#observer.exchange(type, origin)
    if (seen.traceId !== null) origin.traced?.(seen.traceId)
    const watch: Watching = {
      traceId: seen.traceId,
      step: (step) => {
        seen.step(step)
      },
      refusal: null,
    }
    try {
      const done = await work(watch)
      seen.end({ outcome: watch.refusal === null ? 'accepted' : 'refused', code: watch.refusal })
      return done
    } catch (thrown) {
      seen.end({ outcome: 'failed', code: asLicensingError(thrown).code })
      throw thrown
    }
  }

  // How it is

  /** Why it cannot do its work now; nothing where it can. */
  unready(): Promise<readonly Unreadiness[]> {
    return this.#serving.unready()
  }

  /** Whether the database answers, and soon: who asks waits no longer than a balancer does. Asked once for all who ask at the same moment. */
  async #unready(): Promise<readonly Unreadiness[]> {
    this.#asked ??= this.#store
      .transaction((tx) => readSetting(tx, 'authority'))
      .then(
        () => [],
        () => ['database' as const],
      )
      .finally(() => {
        this.#asked = null
      })
    return (await withTimeout(READY_WITHIN, this.#asked)) ?? ['database']
  }

  /** What there is and how it stands, in numbers: for metrics. Reads, and writes nothing. */
  figures(): Promise<Figures> {
    return this.#store.look(async (tx) => {
      const at = Math.max(this.#now(), Number((await readSetting(tx, 'told-time')) ?? 0))
      const sync =
        this.role === 'satellite'
          ? (
              await Synchronisation.open(tx, this.#credentials, await chooseAccount(tx, undefined), at)
            ).status()
          : null
      const tlsEnds = this.#serving.tlsEnds()
      return readFigures(tx, { credentials: this.#credentials, profile: this.#profile, at, sync, tlsEnds })
    })
  }

  /** The connections of the address it is served at; null while it is not. */
  get connections(): ConnectionGuard | null {
    return this.#serving.connections
  }

  /**
   * Serves agents over HTTPS until it is closed.
   *
   * @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED
   */
  listen(options: ListenOptions): Promise<string> {
    return this.#serving.listen(options)
  }

  /** What time brings while the authority is served: exchanges of a satellite, reminders, warnings, and the mails of both. */
  async #beat(): Promise<void> {
    if (this.role === 'satellite') await this.sync.beat()
    await this.audit.beat()
    await this.notifications.beat()
    await this.schedules.beat()
    // A receiver that is slow, and a mail server that is down, keep nothing from each other.
    const delivered = this.webhooks.deliver()
    try {
      await this.sendMails()
    } finally {
      await delivered
    }
  }

  /** What came to an authority that misbehaves, on its own sockets; nothing otherwise. */
  requestHistory(): readonly RequestRecord[] {
    return this.#serving.requestHistory()
  }

  /**
   * A TLS credential with dates or names that are wrong, for what must be refused.
   *
   * @throws LicensingError CHAOS_NOT_ALLOWED
   */
  async tlsForTests(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    this.#serving.requireTest()
    return this.#credentials.tlsForTests(facts)
  }

  /**
   * The management address of an authority that misbehaves: plans faults at run time, and tells what came.
   *
   * @returns its URL, and the bearer it asks for
   * @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED, INVALID_ARGUMENT: loopback only
   */
  listenManagement(options: { host: string; port: number }): Promise<{ url: string; bearer: string }> {
    return this.#serving.listenManagement(options)
  }

  /**
   * What the server would answer, without a network between: for tests of what talks to it.
   * A road of the tests' own may stand where TLS stands in the real thing.
   */
  respond(request: InProcessRequest): Promise<InProcessAnswer> {
    return this.#serving.respond(request)
  }

  // Administration

  async #in<T>(where: Where, work: (tx: Tx, account: Account, at: Instant) => Promise<T>): Promise<T> {
    return this.#store.transaction(async (tx) => {
      const at = await this.#housekeep(tx)
      return work(tx, await chooseAccount(tx, where.account), at)
    })
  }

  /** The same for what only reads: it waits for no writer, unless time has brought something that is to be written first. */
  #look<T>(where: Where, work: (tx: Tx, account: Account, at: Instant) => Promise<T>): Promise<T> {
    return this.#store.look(async (tx) => {
      const at = await this.#housekeep(tx)
      return work(tx, await chooseAccount(tx, where.account), at)
    })
  }

  /** A satellite's clock may have been corrected by its manager, by this process or another. */
  async #followCorrections(tx: Tx): Promise<void> {
    if (this.role === 'manager') return
    const corrections = await countedCorrections(tx)
    if (corrections === this.#corrections) return
    requireWriter(tx)
    this.#corrections = corrections
    this.#lookedAfter = -Infinity
    const time = Number((await readSetting(tx, 'told-time')) ?? 0)
    this.#told = { time, monotonic: this.#clock.monotonic() }
  }

  /** What time it is: never before what any process of this authority has told. */
  async #time(tx: Tx): Promise<Instant> {
    await this.#followCorrections(tx)
    return Math.max(this.#now(), Number((await readSetting(tx, 'told-time')) ?? 0))
  }

  /** What time has brought, and what time it is. */
  #housekeep(tx: Tx): Promise<Instant> {
    // What time brings is nobody's doing, whoever asked.
    return actingAs(null, () => this.#lookAfter(tx))
  }

  async #lookAfter(tx: Tx): Promise<Instant> {
    const at = await this.#time(tx)
    await this.#credentials.refresh(tx, at)
    if (this.role === 'satellite') {
      await (await Synchronisation.open(tx, this.#credentials, await chooseAccount(tx, undefined), at)).tick()
    }
    await endExpired(tx, at)
    // What is told days before can wait a minute; an exchange does not look for it every time.
    if (at - this.#lookedAfter < MINUTE) return at
    await followUpOrders(tx, at)
    await warnOfTerms(tx, at)
    await followUpSatellites(tx, at)
    this.#lookedAfter = at
    return at
  }

  async #inVirtual<T>(
    where: Where,
    work: (tx: Tx, account: Account, virtual: VirtualAccount, at: Instant) => Promise<T>,
  ): Promise<T> {
    return this.#in(where, async (tx, account, at) =>
      work(tx, account, await chooseVirtualAccount(tx, account, where.virtualAccount), at),
    )
  }

  addAccount(domain: string, options: { acceptAgreement: boolean }): Promise<Account> {
    if (!options.acceptAgreement)
      throw new LicensingError('AGREEMENT_NOT_ACCEPTED', 'The licence agreement was not accepted.')
    requireRole(this.#desk, 'manager', 'smart accounts are made')
    return this.#store.transaction((tx) => addAccount(tx, domain, this.#now()))
  }

  accounts(): Promise<Account[]> {
    return this.#store.read(listAccounts)
  }

  /** Every smart account and its virtual accounts, with the numbers that the REST API names them by. */
  numberedAccounts(): Promise<NumberedAccount[]> {
    return this.#store.look(listNumberedAccounts)
  }

  virtualAccounts(where: Where = {}): Promise<VirtualAccount[]> {
    return this.#look(where, (tx, { id }) => listVirtualAccounts(tx, id))
  }

  addVirtualAccount(name: string, where: Where = {}): Promise<VirtualAccount> {
    return this.#in(where, (tx, account, at) => addVirtualAccount(tx, account, name, at))
  }

  removeVirtualAccount(name: string, where: Where = {}): Promise<void> {
    return this.#in(where, (tx, account, at) => removeVirtualAccount(tx, account, name, at))
  }

  setDefaultVirtualAccount(name: string, where: Where = {}): Promise<void> {
    return this.#in(where, (tx, account, at) => setDefaultVirtualAccount(tx, account, name, at))
  }

  /** Buys licences, by tag or SKU: perpetual, or for a term of days. */
  order(wanted: Where & Wanted): Promise<OrderDocument> {
    requireRole(this.#desk, 'manager', 'licences are bought')
    return this.#inVirtual(wanted, (tx, account, virtual, at) =>
      new Orders(tx, this.#profile, at).place(account, virtual, wanted),
    )
  }

  /** Buys what no smart account is named for: the buyer is asked for one, reminded, and called (R-ACC-6). */
  orderWithoutAccount(wanted: Wanted & { buyer: string }): Promise<OrderDocument> {
    requireRole(this.#desk, 'manager', 'licences are bought')
    return this.#store.transaction(async (tx) => {
      const at = await this.#housekeep(tx)
      return new Orders(tx, this.#profile, at).placeWithoutAccount(wanted, wanted.buyer)
    })
  }

  assignOrder(id: string, where: Where = {}): Promise<OrderDocument> {
    return this.#inVirtual(where, (tx, account, virtual, at) =>
      new Orders(tx, this.#profile, at).assign(id, account, virtual),
    )
  }

  orders(where: Where = {}): Promise<OrderDocument[]> {
    return this.#look(where, (tx, account, at) => new Orders(tx, this.#profile, at).list(account))
  }

  // E-mail

  /** Where e-mail goes. @throws LicensingError INVALID_ARGUMENT */
  setMail(settings: MailRoad): Promise<void> {
    return this.#post.set(settings)
  }

  /** Where e-mail goes, without its password, and what waits to be sent. */
  mail(): Promise<MailDocument> {
    return this.#post.show()
  }

  /**
   * Sends what waits to be sent.
   *
   * @returns how many were sent
   * @throws LicensingError MAIL_NOT_CONFIGURED; MAIL_NOT_SENT when one could not be: it is tried later
   */
  sendMails(): Promise<number> {
    return this.#post.send()
  }

  licenses(where: Where = {}): Promise<LicenseDocument[]> {
    return this.#look(where, (tx, account, at) => listLicenses(tx, account, this.#profile, at))
  }

  /** A token for registering: as many uses as a token may have unless said otherwise, without export-controlled functionality. */
  createToken(
    wanted: Where & { days: number } & Partial<Omit<TokenOptions, 'days'>>,
  ): Promise<TokenDocument> {
    const { days, maxUses = 4000, description = '', exportControlled = false } = wanted
    return this.#inVirtual(wanted, async (tx, account, virtual, at) => {
      await this.#requireLeave(tx, at)
      const options = { days, maxUses, description, exportControlled }
      return createToken(tx, this.#credentials, account, virtual, options, at)
    })
  }

  tokens(where: Where = {}): Promise<TokenDocument[]> {
    return this.#look(where, (tx, account, at) => listTokens(tx, this.#credentials, account, at))
  }

  revokeToken(tokenOrId: string, where: Where = {}): Promise<{ id: string }> {
    return this.#in(where, (tx, account, at) => revokeToken(tx, account, tokenOrId, at))
  }

  /** The product instances of a smart account: the registered ones, then those that work from a reservation. */
  instances(where: Where = {}): Promise<InstanceDocument[]> {
    return this.#look(where, async (tx, account, at) => {
      const reserved = await new ReservationLedger(tx, this.#profile, account, at).list()
      return [
        ...(await listInstances(tx, account, at)),
        ...reserved.map(reservedInstance),
        ...(await listReported(tx, account, at)),
      ]
    })
  }

  instance(id: string, where: Where = {}): Promise<InstanceDocument> {
    return this.#look(where, async (tx, account, at) => {
      const reserved = await new ReservationLedger(tx, this.#profile, account, at).list(id)
      if (reserved[0]) return reservedInstance(reserved[0])
      const [below] = await listReported(tx, account, at, id)
      return below ?? showInstance(tx, account, id, at)
    })
  }

  /** @throws LicensingError NOT_FOUND; RETURN_CODE_REQUIRED for one that works from a reservation */
  removeInstance(id: string, where: Where = {}): Promise<InstanceDocument> {
    return this.#in(where, async (tx, account, at) => {
      const [reserved] = await new ReservationLedger(tx, this.#profile, account, at).list(id)
      if (reserved)
        throw new LicensingError(
          'RETURN_CODE_REQUIRED',
          `${reserved.udi.pid}:${reserved.udi.serial} works from a reservation: it is removed with its return code.`,
        )
      await this.#requireOwnInstance(tx, account, at, id)
      return removeInstance(tx, account, id, at)
    })
  }

  /** A person has looked at what is in doubt of a product instance since a restore. @throws LicensingError INSTANCE_NOT_IN_REVIEW */
  async confirmInstance(id: string, where: Where = {}): Promise<InstanceDocument> {
    await this.#in(where, (tx, account, at) => confirmInstance(tx, account, id, at))
    return this.instance(id, where)
  }

  /** The same of a token. @throws LicensingError NOT_FOUND, TOKEN_NOT_IN_REVIEW */
  confirmToken(tokenOrId: string, wanted: Where & { uses?: number } = {}): Promise<{ id: string }> {
    return this.#in(wanted, (tx, account, at) => confirmToken(tx, account, tokenOrId, wanted.uses, at))
  }

  /** @throws LicensingError INSTANCE_OF_SATELLITE */
  async #requireOwnInstance(tx: Tx, account: Account, at: Instant, id: string): Promise<void> {
    const [below] = await listReported(tx, account, at, id)
    if (!below) return
    throw new LicensingError(
      'INSTANCE_OF_SATELLITE',
      `${below.udi.pid}:${below.udi.serial} belongs to the satellite ${below.satellite ?? ''}.`,
    )
  }

  // Transfers

  /**
   * Moves licences from one virtual account to another (R-ACC-3).
   *
   * @param wanted.preview says what it would do, and does nothing
   * @param wanted.confirmed also when that puts a pool out of compliance
   * @throws LicensingError TRANSFER_UNAVAILABLE, TRANSFER_UNCONFIRMED, VIRTUAL_ACCOUNT_*, UNKNOWN_TAG, INVALID_ARGUMENT
   */
  transferLicenses(
    wanted: Where & WantedTransfer & { from: string; to: string } & TransferOptions,
  ): Promise<TransferDocument> {
    return this.#transfer(wanted, async (tx, account, at) =>
      new Transfers(tx, this.#profile, account, at).licenses(
        await chooseVirtualAccount(tx, account, wanted.from),
        await chooseVirtualAccount(tx, account, wanted.to),
        wanted,
      ),
    )
  }

  /**
   * Moves a registered product instance to another virtual account, with what it uses (R-ACC-3).
   *
   * @throws LicensingError NOT_FOUND, INSTANCE_OF_SATELLITE, TRANSFER_UNCONFIRMED, VIRTUAL_ACCOUNT_*
   */
  transferInstance(id: string, wanted: Where & { to: string } & TransferOptions): Promise<TransferDocument> {
    return this.#transfer(wanted, async (tx, account, at) => {
      const [reserved] = await new ReservationLedger(tx, this.#profile, account, at).list(id)
      if (reserved)
        throw new LicensingError(
          'INSTANCE_RESERVED',
          `${reserved.udi.pid}:${reserved.udi.serial} works from a reservation, whose file names its virtual account.`,
          { remedy: 'Have it returned, and reserve anew from the other virtual account.' },
        )
      await this.#requireOwnInstance(tx, account, at, id)
      const to = await chooseVirtualAccount(tx, account, wanted.to)
      return new Transfers(tx, this.#profile, account, at).instance(id, to)
    })
  }

  /** Does a transfer, or undoes it again and says what it would have done. */
  async #transfer(
    { account, preview = false, confirmed = false }: Where & TransferOptions,
    work: (tx: Tx, account: Account, at: Instant) => Promise<TransferDocument>,
  ): Promise<TransferDocument> {
    try {
      return await this.#in({ account }, async (tx, found, at) => {
        const document = await work(tx, found, at)
        if (preview) throw new Previewed(document)
        if (breaksCompliance(document) && !confirmed)
          throw new LicensingError(
            'TRANSFER_UNCONFIRMED',
            `The transfer of ${document.what} from ${document.from} to ${document.to} would put a pool out of compliance.`,
          )
        return document
      })
    } catch (thrown) {
      if (thrown instanceof Previewed) return { ...thrown.document, status: 'preview' }
      throw thrown
    }
  }

  // Specific licence reservation

  async #reservations<T>(where: Where, work: (reservations: Reservations) => Promise<T>): Promise<T> {
    return this.#in(where, async (tx, account, at) => {
      const leave = await this.#leave(tx, at)
      return work(new Reservations(tx, this.#credentials, this.#profile, account, leave, at))
    })
  }

  /** Authorises a smart account for reservation (R-SLR-1). */
  enableReservation(where: Where = {}): Promise<void> {
    return this.#reservations(where, (reservations) => reservations.enable())
  }

  /** Reserves licences for the box of a request code, and writes its authorization file. */
  reserve(wanted: Where & Asking & { request: string; licenses: Quantities }): Promise<IssuedAuthorization> {
    return this.#inVirtual(wanted, async (tx, account, virtual, at) => {
      const leave = await this.#leave(tx, at)
      const reservations = new Reservations(tx, this.#credentials, this.#profile, account, leave, at)
      return reservations.reserve(virtual, wanted.request, wanted.licenses, wanted)
    })
  }

  /** Other quantities for a box that works from a reservation: the next authorization file. */
  updateReservation(
    id: string,
    licenses: Quantities,
    where: Where & Asking = {},
  ): Promise<IssuedAuthorization> {
    return this.#reservations(where, (reservations) => reservations.update(id, licenses, where))
  }

  /** Takes the confirmation code of an update. */
  async confirmReservation(id: string, code: string, where: Where = {}): Promise<ReservationDocument> {
    return orThrow(await this.#reservations(where, (reservations) => reservations.confirm(id, code)))
  }

  /** Takes a return code: the instance is removed, and its licences are back in the pool. */
  async takeBackReservation(id: string, code: string, where: Where = {}): Promise<ReservationDocument> {
    return orThrow(await this.#reservations(where, (reservations) => reservations.takeBack(id, code)))
  }

  /** Removes the instance of a box that is lost, without its return code; who did so, and why, is recorded. */
  writeOffReservation(
    id: string,
    options: { reason: string; by: string },
    where: Where = {},
  ): Promise<ReservationDocument> {
    return this.#in(where, async (tx, account, at) => {
      const leave = await this.#leave(tx, at)
      const reservations = new Reservations(tx, this.#credentials, this.#profile, account, leave, at)
      const orphan = await orphanedReservation(tx, account, id)
      return orphan
        ? reservations.writeOffOrphan(orphan, options.reason, options.by)
        : reservations.writeOff(id, options.reason, options.by)
    })
  }

  reservations(where: Where = {}): Promise<ReservationDocument[]> {
    return this.#look(where, (tx, account, at) =>
      new ReservationLedger(tx, this.#profile, account, at).list(),
    )
  }

  /** One reservation, with its newest authorization file signed anew; without a file when it has ended. */
  reservation(
    id: string,
    where: Where = {},
  ): Promise<ReservationDocument & { readonly file: string | null }> {
    return this.#reservations(where, (reservations) => reservations.show(id))
  }

  /** The event log: the newest entries that are asked for, oldest first. */
  events(where: Where & EventFilter = {}): Promise<EventDocument[]> {
    return this.#look(where, (tx, { id }) => listEvents(tx, id, where))
  }

  /** The whole event log, or what fits of it, oldest first: a page at a time, each read when it is asked for. */
  async *exportEvents(where: Where & EventFilter = {}): AsyncGenerator<EventDocument[]> {
    const last = await this.newestEvent()
    for (let after = 0; after < last;) {
      const page = await this.#look(where, (tx, { id }) => eventsAfter(tx, id, where, { after, last }))
      const end = page.at(-1)
      if (!end) return
      yield page
      after = end.id
    }
  }

  // Alerts and reports

  /**
   * What somebody should do something about, the most urgent first: of one virtual account when it is named, otherwise
   * of them all and of the whole smart account.
   *
   * @throws LicensingError NOT_FOUND
   */
  alerts(where: Where = {}): Promise<AlertDocument[]> {
    return this.#inSome(where, (tx, account, virtual, at) => this.#alerts(tx, account, virtual, at))
  }

  async #alerts(
    tx: Tx,
    account: Account,
    virtual: VirtualAccount | null,
    at: Instant,
  ): Promise<AlertDocument[]> {
    const sync =
      this.role === 'satellite' ? await Synchronisation.open(tx, this.#credentials, account, at) : null
    return new AlertReader(tx, this.#profile, account, at, virtual).all(sync?.status() ?? null)
  }

  /** A table of the licences, the product instances or the usage (R-ACC-7). @throws LicensingError NOT_FOUND */
  report(kind: ReportKind, where: Where = {}): Promise<ReportDocument> {
    return this.#inSome(where, (tx, account, virtual, at) =>
      new Reports(tx, this.#profile, account, at, virtual).make(kind),
    )
  }

  /** The lots behind the pools. @throws LicensingError NOT_FOUND, UNKNOWN_TAG */
  licenseTransactions(where: Where & { tag?: string | undefined } = {}): Promise<LicenseTransaction[]> {
    return this.#inSome(where, (tx, account, virtual, at) =>
      listLicenseTransactions(tx, account, this.#profile, at, { virtual, tag: where.tag }),
    )
  }

  /** The virtual account that is named, or null for all of them. */
  #inSome<T>(
    where: Where,
    work: (tx: Tx, account: Account, virtual: VirtualAccount | null, at: Instant) => Promise<T>,
  ): Promise<T> {
    return this.#look(where, async (tx, account, at) => {
      const { virtualAccount } = where
      const virtual =
        virtualAccount === undefined ? null : await chooseVirtualAccount(tx, account, virtualAccount)
      return work(tx, account, virtual, at)
    })
  }

  /** The number of the newest entry of the event log; 0 while it is empty. */
  newestEvent(): Promise<number> {
    return this.#store.read(async (tx) => {
      const row = await tx.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
      return row?.id ?? 0
    })
  }

  // Backup

  /**
   * The authority as one sealed file, while it goes on.
   *
   * @param write takes the file piece by piece
   * @throws LicensingError INVALID_ARGUMENT, STORE_*
   */
  backupTo(passphrase: string, write: (chunk: Buffer) => void): Promise<void> {
    return makeBackup(this.#dataDir, this.#store, passphrase, write)
  }

  /** The same, at once. */
  async backup(passphrase: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    await this.backupTo(passphrase, (chunk) => chunks.push(chunk))
    return Buffer.concat(chunks)
  }

  /** Makes a data directory of a backup. @throws LicensingError DATA_DIR_EXISTS, BACKUP_UNREADABLE, STORE_*, DATABASE_* */
  static restore(options: RestoreOptions & { clock?: Clock }): Promise<Restored> {
    const { clock = systemClock, ...rest } = options
    return restoreBackup(rest, clock)
  }

  /** Stops serving: takes nothing new, and answers what is under way, for at most half a minute. */
  drain(): Promise<void> {
    return this.#serving.drain()
  }

  async close(): Promise<void> {
    await this.#serving.close()
    await this.webhooks.close()
    this.sync.close()
    await this.#store.close()
  }
}
