import { SYNC_PATH } from '../../protocol/sync.ts'
import { randomInt } from 'node:crypto'
import { type SyncSchedule, syncScheduleSchema } from '../../../machines/satellite-sync-context.ts'
import { validate } from '../../core/validate.ts'
import { SerialRounds } from '../../core/serial-rounds.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import { parseEnrollmentCode } from '../../protocol/enrollment.ts'
import { SYNC_ANSWER_TITLE } from '../../protocol/sync-answer.ts'
import { SYNC_CONTENT_TYPE, SYNC_PROOF_HEADER } from '../../protocol/sync-proof.ts'
import type { RedactableField } from '../../protocol/sync-request.ts'
import {
  normalizeSettings,
  decryptSettings,
  type StoredSettings,
  storedSettingsSchema,
  type Transport,
  type TransportSettings,
} from '../../transports/transport.ts'
import type { Credentials } from '../keys/credentials.ts'
import { type AuthorityContext, requireRole } from '../context/authority-context.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { applySyncEvent, isExchangeDue } from './sync-driver.ts'
import { type SyncRequestFile, exportRequest, proveRequest } from './sync-export.ts'
import { type SyncImportResult, importAnswer } from './sync-import.ts'
import { openSync, setEnrollmentCode, setRedactedFields, type Synchronization } from './sync-repository.ts'
import { type SyncStatus, toSyncStatus } from './sync-status.ts'
import { type RootTrust, getUntrustedRootFingerprint } from './answer-verification.ts'

const MANAGER_ENDPOINT_KEY = 'sync-road'
/** Milliseconds for one exchange: a hundred thousand instances take a while. */
const EXCHANGE_TIMEOUT_MS = 10 * 60_000
/** Exchanges that follow one another: repair, and what the manager should hear of at once. */
const MAX_CHAINED_EXCHANGES = 4

/** How the satellite reaches its manager, without its password. */
export interface ManagerEndpoint {
  readonly kind: StoredSettings['kind']
  readonly url: string
  readonly via: string | null
  readonly username: string | null
}

/** A satellite's own synchronization, for its people: by wire, by itself, or by files that are carried (R-SAT-2, R-SAT-3). */
export class SyncService {
  readonly #context: AuthorityContext
  readonly #connect: ((settings: TransportSettings) => Transport) | undefined
  readonly #exchangeRounds = new SerialRounds(() => this.#runExchanges())
  #transport: { readonly of: string; readonly transport: Transport } | null = null

  constructor(context: AuthorityContext, connect: ((settings: TransportSettings) => Transport) | undefined) {
    this.#context = context
    this.#connect = connect
  }

  /** @throws LicensingError WRONG_ROLE */
  status(): Promise<SyncStatus & { manager: ManagerEndpoint | null }> {
    return this.#withSync(async (sync, tx) => ({
      ...toSyncStatus(sync),
      manager: toPublicEndpoint(await readManagerEndpoint(tx)),
    }))
  }

  /** Writes the request that is carried to the manager. */
  export(options: { redactedFields?: readonly RedactableField[] } = {}): Promise<SyncRequestFile> {
    return this.#withSync(async (sync) => {
      if (options.redactedFields) await setRedactedFields(sync, options.redactedFields)
      return exportRequest(sync, 'offline')
    })
  }

  /** The fingerprint of the root that an answer brings, where somebody must say whether it is the right one; or null. */
  getUntrustedRootFingerprint(text: string): Promise<string | null> {
    return this.#withSync((sync) => Promise.resolve(getUntrustedRootFingerprint(sync, text)))
  }

  /**
   * Takes the answer that was carried back.
   *
   * @param trust the manager's root, where this satellite was not given it
   * @throws LicensingError SIGNED_FILE_*, SYNC_*, MANDATE_INVALID, CONFIRMATION_REQUIRED: nothing was changed
   */
  import(text: string, trust: RootTrust = null): Promise<SyncImportResult> {
    return this.#withSync((sync) => importAnswer(sync, text, trust))
  }

  /** What is never told to the manager, from the next exchange on. */
  setRedactedFields(what: readonly RedactableField[]): Promise<SyncStatus> {
    return this.#withSync(async (sync) => {
      await setRedactedFields(sync, what)
      return toSyncStatus(sync)
    })
  }

  /** When it synchronizes by itself. @throws LicensingError INVALID_ARGUMENT */
  schedule(schedule: SyncSchedule): Promise<SyncStatus> {
    const good = validate(syncScheduleSchema, schedule, 'schedule')
    return this.#withSync(async (sync, _tx, at) => {
      await applySyncEvent(sync, { type: 'sync.reschedule', at, schedule: good })
      return toSyncStatus(sync)
    })
  }

  /** How it reaches its manager. @throws LicensingError TRANSPORT_URL_INVALID, PROXY_* */
  setManager(settings: TransportSettings): Promise<ManagerEndpoint> {
    return this.#withSync(async (_sync, tx) => {
      const stored = await saveManagerEndpoint(tx, this.#context.credentials, settings)
      return toPublicEndpoint(stored) ?? { kind: 'direct', url: '', via: null, username: null }
    })
  }

  /** Takes the one-time code of `satellite add`, for the first exchange. @throws LicensingError CODE_* */
  setEnrollmentCode(code: string): Promise<void> {
    const good = parseEnrollmentCode(code)
    return this.#withSync((sync) =>
      setEnrollmentCode(sync, this.#context.credentials.secrets.encryptSecret(good)),
    )
  }

  /**
   * Synchronizes now, by wire.
   *
   * @throws LicensingError SYNC_NOT_CONFIGURED, TRUST_ANCHOR_MISSING, a transport error, or the manager's refusal
   */
  async run(): Promise<SyncImportResult> {
    await this.#getTransport()
    const done = await this.#exchangeRounds.request()
    if (done.failure) throw LicensingError.fromDocument(done.failure)
    return done
  }

  /** Does the exchange that time has made due, if one is. Its failure is noted, and tried again when its time comes. */
  async runDue(): Promise<void> {
    if (!(await this.#withSync((sync) => Promise.resolve(isExchangeDue(sync))))) return
    const { current } = this.#exchangeRounds
    await (current ?? this.#exchangeRounds.request()).catch(() => undefined)
  }

  close(): void {
    this.#transport?.transport.close({ now: true })
  }

  /** One exchange, and those that follow from it. */
  async #runExchanges(): Promise<SyncImportResult> {
    await this.#withSync(async (sync, _tx, at) => {
      if (!isExchangeDue(sync)) await applySyncEvent(sync, { type: 'sync.start', at })
    })
    for (let left = MAX_CHAINED_EXCHANGES; ; left--) {
      const done = await this.#exchangeOnce()
      if (!done.again) return done
      if (left > 1) continue
      if (done.outcome !== 'repair') return done
      // The two do not come together: it is tried again as whatever does not succeed, more and more rarely.
      const failed = new LicensingError(
        'SYNC_REPAIR_NEEDED',
        'The manager asks for everything again and again.',
      )
      await this.#recordFailure(failed)
      throw failed
    }
  }

  async #exchangeOnce(): Promise<SyncImportResult> {
    try {
      const transport = await this.#getTransport()
      const { file, proof } = await this.#withSync(async (sync) => {
        const exported = await exportRequest(sync, 'online')
        return { file: exported.file, proof: await proveRequest(sync, exported.file) }
      })
      const text = await transport.post(SYNC_PATH, file, null, {
        'content-type': SYNC_CONTENT_TYPE,
        accept: `${SYNC_CONTENT_TYPE}, application/json`,
        ...(proof !== null && { [SYNC_PROOF_HEADER]: proof }),
      })
      return await this.#withSync((sync) => importAnswer(sync, checkAnswer(text), null))
    } catch (error) {
      const failed = adaptRemedy(toLicensingError(error))
      await this.#recordFailure(failed)
      throw failed
    }
  }

  async #recordFailure(failed: LicensingError): Promise<void> {
    const { code, message, remedy } = failed.toJSON()
    await this.#withSync(async (sync, _tx, at) => {
      await applySyncEvent(sync, {
        type: 'sync.unreachable',
        at,
        reason: { code, message, remedy },
        jitter: randomInt(1_000_000) / 1_000_000,
        retryAfter: failed.retryAfterMs ?? null,
      })
    })
  }

  async #getTransport(): Promise<Transport> {
    const { settings, root } = await this.#withSync(async (_sync, tx) => ({
      settings: await readManagerEndpoint(tx),
      root: this.#context.credentials.keyRing.identity.root,
    }))
    if (!settings)
      throw new LicensingError('SYNC_NOT_CONFIGURED', 'This satellite knows no way to its manager.')
    if (root === null)
      throw new LicensingError(
        'TRUST_ANCHOR_MISSING',
        'This satellite has no root certificate of its manager.',
        { remedy: 'Give it with `init --trust ROOT.pem`, or register by hand with `sync export`.' },
      )
    // Another process may have set another road since.
    const of = JSON.stringify([settings, root])
    if (this.#transport?.of === of) return this.#transport.transport
    this.#transport?.transport.close()
    const transport = await this.#createTransport(
      decryptSettings(settings, (sealed) => this.#context.credentials.secrets.decryptSecret(sealed)),
      root,
    )
    this.#transport = { of, transport }
    return transport
  }

  async #createTransport(settings: TransportSettings, root: string): Promise<Transport> {
    if (this.#connect) return this.#connect(settings)
    const [{ createHttpsTransport }, { toConnectionOptions }] = await Promise.all([
      import('../../transports/https.ts'),
      import('../../transports/connection-options.ts'),
    ])
    return createHttpsTransport({
      ...toConnectionOptions(settings, [root], { deadline: EXCHANGE_TIMEOUT_MS }),
      maxBytes: MAX_SYNC_BYTES,
    })
  }

  #withSync<T>(work: (sync: Synchronization, tx: Tx, at: number) => Promise<T>): Promise<T> {
    requireRole(this.#context, 'satellite', 'synchronization is done')
    return this.#context.withAccount({}, async (context) =>
      work(await openSync(context, this.#context.clock.wall()), context.tx, context.at),
    )
  }
}

/** Stores how the manager is reached; a password sealed. @throws LicensingError TRANSPORT_URL_INVALID, PROXY_* */
export async function saveManagerEndpoint(
  tx: Tx,
  credentials: Credentials,
  settings: TransportSettings,
): Promise<StoredSettings> {
  const stored = toStoredEndpoint(credentials, settings)
  await writeSetting(tx, MANAGER_ENDPOINT_KEY, JSON.stringify(stored))
  return stored
}

function toStoredEndpoint(credentials: Credentials, settings: TransportSettings): StoredSettings {
  const good = normalizeSettings(settings)
  if (good.kind !== 'proxy') return good
  const { kind, url, via, username, password } = good
  const sealedPassword = password === undefined ? null : credentials.secrets.encryptSecret(password)
  return { kind, url, via, username: username ?? null, sealedPassword }
}

/** What a box would do about it is not what a satellite does. */
const adaptRemedy = (failed: LicensingError): LicensingError =>
  failed.code === 'TLS_UNTRUSTED'
    ? new LicensingError(failed.code, failed.message, {
        remedy:
          'Check the address of the manager; if this satellite was made with another root (`--trust`), make it anew with the one that `trust export` prints there.',
      })
    : failed

async function readManagerEndpoint(tx: Tx): Promise<StoredSettings | null> {
  const json = await readSetting(tx, MANAGER_ENDPOINT_KEY)
  return json === null ? null : storedSettingsSchema.parse(JSON.parse(json))
}

function toPublicEndpoint(settings: StoredSettings | null): ManagerEndpoint | null {
  if (!settings) return null
  const { kind, url } = settings
  if (settings.kind !== 'proxy') return { kind, url, via: null, username: null }
  return { kind, url, via: settings.via, username: settings.username }
}

/** Tells an answer from the page of something in between. @throws LicensingError ANSWER_MALFORMED */
function checkAnswer(text: string): string {
  if (text.startsWith(SYNC_ANSWER_TITLE)) return text
  throw new LicensingError('ANSWER_MALFORMED', 'The answer is not one to a synchronization.')
}
