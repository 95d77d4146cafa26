import type { Clock } from '../core/clock.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { type ConnectionOptions, toConnectionOptions } from '../transports/connection-options.ts'
import type { Deadlines, NameLookup } from '../transports/connection.ts'
import {
  normalizeSettings,
  decryptSettings,
  type StoredSettings,
  storedSettingsSchema,
  type Transport,
  type TransportSettings,
} from '../transports/transport.ts'
import { readServerAuthority } from '../pki/certificate-names.ts'
import { generateSecretKey, decryptSecret, encryptSecret } from '../storage/encrypted-secret.ts'
import { formatTrustedRoots } from '../pki/root-rotation.ts'
import type { LicenseClock } from './license-clock.ts'
import type { AgentLogger } from './logger.ts'
import { ExchangeRecorder } from './exchange-recorder.ts'
import type { AgentObserver } from './observer.ts'
import type { AgentStore } from './store.ts'
import { readAnchors, readTlsRoots } from './trust-store.ts'
import type { ConnectionTestReport, ConnectionTestStep } from './connection-test.ts'

/** Secret file with the key that encrypts the proxy password. */
export const PROXY_PASSWORD_KEY_FILE = 'transport.key'

/** Options of an agent's transports. */
export interface TransportOptions {
  /** Factory that replaces the HTTPS transport, for example in tests. */
  readonly createTransport?: ((settings: TransportSettings) => Transport) | undefined
  /** Time limits of an exchange and its steps, in milliseconds, such as for tests. */
  readonly deadlines?: Partial<Deadlines> | undefined
  /** Resolver of host names, as `dns.lookup` of Node. Default: the system's */
  readonly lookup?: NameLookup | undefined
  /** Observer of the requests, for traces. */
  readonly observer?: AgentObserver | undefined
}

/** Manages the transport to the authority: settings, trust anchors, and the open connection. */
export class TransportManager {
  readonly #store: AgentStore
  readonly #clock: LicenseClock
  readonly #logger: AgentLogger
  readonly #options: TransportOptions & { readonly clock?: Clock | undefined }
  #transport: { readonly anchors: string | null; readonly transport: Transport } | null = null
  #generation = 0
  /** Steps of the exchange in progress, and of the last one. */
  readonly recorder = new ExchangeRecorder()
  /** Aborts running connection tests. */
  #testAbort = new AbortController()

  constructor(
    store: AgentStore,
    clock: LicenseClock,
    logger: AgentLogger,
    options: TransportOptions & { readonly clock?: Clock | undefined },
  ) {
    this.#store = store
    this.#clock = clock
    this.#logger = logger
    this.#options = options
  }

  readSettings(): StoredSettings | null {
    return this.#store.read('transport', storedSettingsSchema)
  }

  /** Returns the trusted root certificates (PEM). Null if there are none. */
  readTrustAnchor(): string | null {
    const anchors = readAnchors(this.#store)
    return anchors && formatTrustedRoots(anchors, this.#clock.now())
  }

  /** @throws LicensingError TRANSPORT_NOT_CONFIGURED, TRUST_ANCHOR_MISSING */
  requireConfigured(settings = this.readSettings()): { settings: StoredSettings; anchor: string } {
    if (!settings) throw new LicensingError('TRANSPORT_NOT_CONFIGURED', 'No transport is configured.')
    const anchor = this.readTrustAnchor()
    if (anchor === null)
      throw new LicensingError('TRUST_ANCHOR_MISSING', 'No root certificate of the authority is installed.')
    return { settings, anchor }
  }

  /** Returns the open transport, or opens one. */
  async connect(): Promise<Transport> {
    this.requireConfigured()
    const make = this.#options.createTransport ?? (await this.#loadHttps())
    // Read the settings after the last `await`, because they may have changed meanwhile.
    const { settings } = this.requireConfigured()
    const anchors = readTlsRoots(this.#store, this.#clock.now())
    // Reconnect if the trusted roots have changed.
    if (this.#transport?.anchors !== anchors) this.#transport?.transport.close()
    else return this.#transport.transport
    const transport = this.#instrument(make(this.#withPassword(settings)))
    this.#transport = { anchors, transport }
    return transport
  }

  async #loadHttps(): Promise<(settings: TransportSettings) => Transport> {
    const { createHttpsTransport } = await import('../transports/https.ts')
    return (settings) =>
      createHttpsTransport({ ...this.#createConnectionOptions(settings), observer: this.recorder })
  }

  /** Number of transport changes so far. A failure with an earlier number does not concern the current transport. */
  get generation(): number {
    return this.#generation
  }

  /** Closes the transport after its exchange in progress. The next exchange opens a new one. */
  reset(): void {
    this.#generation++
    this.#transport?.transport.close()
    this.#transport = null
  }

  /** Aborts the exchange in progress and any connection tests. */
  abort(): void {
    this.#transport?.transport.close({ now: true })
    this.#transport = null
    this.#testAbort.abort()
    this.#testAbort = new AbortController()
  }

  /** Tests the connection step by step, with other settings or the current ones. Changes nothing. */
  async test(
    other: TransportSettings | undefined,
    authorityId: string | null,
    onStep: (step: ConnectionTestStep) => void,
  ): Promise<ConnectionTestReport> {
    const { settings, anchor } = this.requireConfigured(other && toStoredSettings(other, this.#store))
    if (this.recorder.isIntercepted && !this.#options.createTransport)
      throw new LicensingError(
        'REQUEST_INTERCEPTED',
        'A mock in this process (MSW) answers the requests of the agent, and a connection test makes real connections.',
        { remedy: 'Test connections on a real network: createTestBed, or listen() of createMockAuthority.' },
      )
    const { signal } = this.#testAbort
    const { testConnection } = await import('./connection-test.ts')
    return testConnection(this.#createConnectionOptions(this.#withPassword(settings)), {
      anchor,
      authorityId,
      onStep,
      signal,
    })
  }

  /** Wraps a transport, so that the observer and the log receive its requests. */
  #instrument(transport: Transport): Transport {
    return {
      post: async (path, body, _traceparent, headers, authorityId) => {
        const type = path.split('/').at(-1) ?? ''
        const watch = this.#options.observer?.request(type)
        const begun = this.#clock.now()
        this.recorder.begin()
        const end = (code: string | null) => {
          this.recorder.end({ isAnswered: code === null, isProxied: this.readSettings()?.kind === 'proxy' })
          watch?.end(code)
          this.#logger.debug('exchange', {
            type,
            outcome: code ?? 'answered',
            milliseconds: this.#clock.now() - begun,
          })
        }
        try {
          const answer = await transport.post(path, body, watch?.traceparent, headers, authorityId)
          end(null)
          return answer
        } catch (error) {
          end(toLicensingError(error).code)
          throw error
        }
      },
      close: (options) => {
        transport.close(options)
      },
    }
  }

  #withPassword(settings: StoredSettings): TransportSettings {
    return decryptSettings(settings, (sealed) =>
      decryptSecret(sealed, this.#store.secrets.get(PROXY_PASSWORD_KEY_FILE)),
    )
  }

  #createConnectionOptions(settings: TransportSettings): ConnectionOptions {
    const anchors = [readTlsRoots(this.#store, this.#clock.now()), this.#store.readText('tls-ca')].filter(
      (pem) => pem !== null,
    )
    const { deadlines, lookup, clock } = this.#options
    const limits = { ...(deadlines && { deadlines }), ...(lookup && { lookup }), ...(clock && { clock }) }
    return { ...toConnectionOptions(settings, anchors, limits), readAuthority: readServerAuthority }
  }
}

/**
 * Validates settings and encrypts the proxy password for storage. Without a password, keeps the stored one of the same
 * user and proxy.
 */
export function toStoredSettings(settings: TransportSettings, store: AgentStore): StoredSettings {
  const normalized = normalizeSettings(settings)
  if (normalized.kind !== 'proxy') return normalized
  const { kind, url, via, username, password } = normalized
  const settingsWithoutPassword = { kind, url, via, username: username ?? null }
  if (password !== undefined) {
    if (!store.secrets.has(PROXY_PASSWORD_KEY_FILE))
      store.secrets.put(PROXY_PASSWORD_KEY_FILE, generateSecretKey())
    return {
      ...settingsWithoutPassword,
      sealedPassword: encryptSecret(password, store.secrets.get(PROXY_PASSWORD_KEY_FILE)),
    }
  }
  const stored = store.read('transport', storedSettingsSchema)
  const same =
    stored?.kind === 'proxy' && stored.via === via && stored.username === settingsWithoutPassword.username
  return { ...settingsWithoutPassword, sealedPassword: same ? stored.sealedPassword : null }
}

/**
 * Validates a PEM file of trust anchors: root certificates of an authority, or any certificates for TLS only.
 *
 * @returns the thumbprint of the first certificate
 * @throws LicensingError TRUST_ANCHOR_INVALID
 */
export async function validateTrustAnchor(
  pem: string,
  use: 'authority' | 'tls' = 'authority',
): Promise<string> {
  const { ChainError, parseCertificates, parseRoots, computeThumbprint } =
    await import('../pki/chain-validation.ts')
  try {
    const [first] = use === 'authority' ? parseRoots(pem) : parseCertificates(pem)
    return first ? computeThumbprint(first) : ''
  } catch (error) {
    if (error instanceof ChainError)
      throw new LicensingError('TRUST_ANCHOR_INVALID', `The trust anchor cannot be used: ${error.message}.`)
    throw error
  }
}
