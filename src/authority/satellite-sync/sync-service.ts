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

const MANAGER_ENDPOINT_KEY = 'sync-endpoint'
/** Milliseconds for one exchange. A report of 100,000 instances takes minutes. */
const EXCHANGE_TIMEOUT_MS = 10 * 60_000
/** The maximum of consecutive exchanges: a repair, and reports of the effects of an answer. */
const MAX_CHAINED_EXCHANGES = 4

/** The connection to the manager, without its password. */
export interface ManagerEndpoint {
  readonly kind: StoredSettings['kind']
  readonly url: string
  readonly via: string | null
  readonly username: string | null
}

/** The synchronization of a satellite: on demand, on schedule, or by files (R-SAT-2, R-SAT-3). */
export class SyncService {
  readonly #context: AuthorityContext
  readonly #connect: ((settings: TransportSettings) => Transport) | undefined
  readonly #exchangeRounds = new SerialRounds(() => this.#runExchanges())
  #transport: { readonly key: string; readonly transport: Transport } | null = null

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

  /** Creates a request file for the manager. */
  export(options: { redactedFields?: readonly RedactableField[] } = {}): Promise<SyncRequestFile> {
    return this.#withSync(async (sync) => {
      if (options.redactedFields) await setRedactedFields(sync, options.redactedFields)
      return exportRequest(sync, 'offline')
    })
  }

  /** Returns the fingerprint of the root in an answer if an administrator must confirm it, or null. */
  getUntrustedRootFingerprint(text: string): Promise<string | null> {
    return this.#withSync((sync) => Promise.resolve(getUntrustedRootFingerprint(sync, text)))
  }

  /**
   * Imports the answer file of the manager.
   *
   * @param trust the trust in the manager's root, if this satellite has no root yet
   * @throws LicensingError SIGNED_FILE_*, SYNC_*, MANDATE_INVALID, CONFIRMATION_REQUIRED. Nothing has changed then
   */
  import(text: string, trust: RootTrust = null): Promise<SyncImportResult> {
    return this.#import(text, trust)
  }

  /** Sets the fields to redact in reports to the manager, from the next exchange on. */
  setRedactedFields(fields: readonly RedactableField[]): Promise<SyncStatus> {
    return this.#withSync(async (sync) => {
      await setRedactedFields(sync, fields)
      return toSyncStatus(sync)
    })
  }

  /** Sets the schedule of online exchanges. @throws LicensingError INVALID_ARGUMENT */
  schedule(schedule: SyncSchedule): Promise<SyncStatus> {
    const valid = validate(syncScheduleSchema, schedule, 'schedule')
    return this.#withSync(async (sync, _tx, at) => {
      await applySyncEvent(sync, { type: 'sync.reschedule', at, schedule: valid })
      return toSyncStatus(sync)
    })
  }

  /** Sets the connection to the manager. @throws LicensingError TRANSPORT_URL_INVALID, PROXY_* */
  setManager(settings: TransportSettings): Promise<ManagerEndpoint> {
    return this.#withSync(async (_sync, tx) => {
      const stored = await saveManagerEndpoint(tx, this.#context.credentials, settings)
      return toPublicEndpoint(stored) ?? { kind: 'direct', url: '', via: null, username: null }
    })
  }

  /** Stores the enrollment code of `satellite add` for the first exchange. @throws LicensingError CODE_* */
  setEnrollmentCode(code: string): Promise<void> {
    const parsed = parseEnrollmentCode(code)
    return this.#withSync((sync) =>
      setEnrollmentCode(sync, this.#context.credentials.secrets.encryptSecret(parsed)),
    )
  }

  /**
   * Synchronizes now, over the network.
   *
   * @throws LicensingError SYNC_NOT_CONFIGURED, TRUST_ANCHOR_MISSING, a transport error, or the manager's refusal
   */
  async run(): Promise<SyncImportResult> {
    await this.#getTransport()
    const done = await this.#exchangeRounds.request()
    if (done.failure) throw LicensingError.fromDocument(done.failure)
    return done
  }

  /** Runs the exchange that is due, if any. A failure is recorded and retried later. */
  async runDue(): Promise<void> {
    if (!(await this.#withSync((sync) => Promise.resolve(isExchangeDue(sync))))) return
    const { current } = this.#exchangeRounds
    await (current ?? this.#exchangeRounds.request()).catch(() => undefined)
  }

  close(): void {
    this.#transport?.transport.close({ now: true })
  }

  /** Runs one exchange, and the exchanges that it requires. */
  async #runExchanges(): Promise<SyncImportResult> {
    await this.#withSync(async (sync, _tx, at) => {
      if (!isExchangeDue(sync)) await applySyncEvent(sync, { type: 'sync.start', at })
    })
    for (let left = MAX_CHAINED_EXCHANGES; ; left--) {
      const done = await this.#exchangeOnce()
      if (!done.again) return done
      if (left > 1) continue
      if (done.outcome !== 'repair') return done
      // The two sides do not converge. Like other failures, this is retried with growing delays.
      const failed = new LicensingError('SYNC_REPAIR_NEEDED', 'The manager keeps requesting a full report.')
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
      return await this.#import(checkAnswer(text), null)
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
      throw new LicensingError('SYNC_NOT_CONFIGURED', 'No connection to the manager is configured.')
    if (root === null)
      throw new LicensingError(
        'TRUST_ANCHOR_MISSING',
        'This satellite has no root certificate of its manager.',
        { remedy: 'Pass it with `init --trust ROOT.pem`, or register offline with `sync export`.' },
      )
    // Another process may have changed the connection.
    const key = JSON.stringify([settings, root])
    if (this.#transport?.key === key) return this.#transport.transport
    this.#transport?.transport.close()
    const transport = await this.#createTransport(
      decryptSettings(settings, (sealed) => this.#context.credentials.secrets.decryptSecret(sealed)),
      root,
    )
    this.#transport = { key, transport }
    return transport
  }

  async #createTransport(settings: TransportSettings, root: string): Promise<Transport> {
    if (this.#connect) return this.#connect(settings)
    const [{ createHttpsTransport }, { toConnectionOptions }] = await Promise.all([
      import('../../transports/https.ts'),
      import('../../transports/connection-options.ts'),
    ])
    return createHttpsTransport({
      ...toConnectionOptions(settings, [root], { deadlines: { total: EXCHANGE_TIMEOUT_MS } }),
      maxBytes: MAX_SYNC_BYTES,
    })
  }

  async #import(text: string, trust: RootTrust): Promise<SyncImportResult> {
    const result = await this.#withSync((sync) => importAnswer(sync, text, trust))
    await this.#context.refresh()
    return result
  }

  #withSync<T>(work: (sync: Synchronization, tx: Tx, at: number) => Promise<T>): Promise<T> {
    requireRole(this.#context, 'satellite', 'synchronization is run')
    return this.#context.withAccount({}, async (context) =>
      work(await openSync(context, this.#context.clock.wall()), context.tx, context.at),
    )
  }
}

/**
 * Stores the connection to the manager, with its password encrypted. @throws LicensingError TRANSPORT_URL_INVALID,
 * PROXY_*
 */
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
  const normalized = normalizeSettings(settings)
  if (normalized.kind !== 'proxy') return normalized
  const { kind, url, via, username, password } = normalized
  const sealedPassword = password === undefined ? null : credentials.secrets.encryptSecret(password)
  return { kind, url, via, username: username ?? null, sealedPassword }
}

/** Replaces the remedy, which is meant for devices, by one for satellites. */
const adaptRemedy = (failed: LicensingError): LicensingError =>
  failed.code === 'TLS_UNTRUSTED'
    ? new LicensingError(failed.code, failed.message, {
        remedy:
          'Check the address of the manager. If this satellite was created with another root (`--trust`), create it again with the root that `trust export` prints at the manager.',
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

/** Distinguishes an answer from the page of a proxy. @throws LicensingError ANSWER_MALFORMED */
function checkAnswer(text: string): string {
  if (text.startsWith(SYNC_ANSWER_TITLE)) return text
  throw new LicensingError('ANSWER_MALFORMED', 'The response is not a synchronization answer.')
}
