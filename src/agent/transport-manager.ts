import { asLicensingError, LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { type RoadOptions, roadOf } from '../transports/connection-options.ts'
import {
  checkSettings,
  openSettings,
  type StoredSettings,
  storedSettingsSchema,
  type Transport,
  type TransportSettings,
} from '../transports/transport.ts'
import { authorityOfServer } from '../pki/certificate-names.ts'
import { newSecretKey, openSecret, sealSecret } from '../storage/encrypted-secret.ts'
import { rootsPem } from '../pki/root-rotation.ts'
import type { AgentLogger } from './logger.ts'
import type { AgentObserver } from './observer.ts'
import type { AgentStore } from './store.ts'
import { readAnchors, tlsRoots } from './trust-store.ts'
import type { RoadReport, StepReport } from './connection-test.ts'

/** The key that the proxy's password is stored under: a file of its own. */
export const TRANSPORT_KEY = 'transport.key'

/** The road of one box to its authority: its settings, its anchors, and the transport that is open on it. */
export class BoxRoad {
  readonly #store: AgentStore
  readonly #connect: ((settings: TransportSettings) => Transport) | undefined
  readonly #now: () => Instant
  #transport: { readonly anchors: string | null; readonly transport: Transport } | null = null
  readonly #observer: AgentObserver | undefined
  readonly #logger: AgentLogger
  #number = 0
  /** Ends the walks that are under way. */
  #walks = new AbortController()

  constructor(
    store: AgentStore,
    connect: ((settings: TransportSettings) => Transport) | undefined,
    now: () => Instant,
    logger: AgentLogger,
    observer?: AgentObserver,
  ) {
    this.#store = store
    this.#logger = logger
    this.#observer = observer
    this.#connect = connect
    this.#now = now
  }

  settings(): StoredSettings | null {
    return this.#store.read('transport', storedSettingsSchema)
  }

  /** The root certificates this box believes: PEM; null when there are none. */
  trustAnchor(): string | null {
    const anchors = readAnchors(this.#store)
    return anchors && rootsPem(anchors, this.#now())
  }

  /** @throws LicensingError TRANSPORT_NOT_CONFIGURED, TRUST_ANCHOR_MISSING */
  require(settings = this.settings()): { settings: StoredSettings; anchor: string } {
    if (!settings) throw new LicensingError('TRANSPORT_NOT_CONFIGURED', 'No way to the authority is set.')
    const anchor = this.trustAnchor()
    if (anchor === null)
      throw new LicensingError('TRUST_ANCHOR_MISSING', 'The box has no root certificate of its authority.')
    return { settings, anchor }
  }

  /** The transport that is open, opened where it is not. */
  async open(): Promise<Transport> {
    this.require()
    const make = this.#connect ?? (await this.#overHttps())
    // The settings are read after the last pause: they may have been changed in it.
    const { settings } = this.require()
    const anchors = tlsRoots(this.#store, this.#now())
    // A root was replaced since, or its overlap has ended.
    if (this.#transport?.anchors !== anchors) this.#transport?.transport.close()
    else return this.#transport.transport
    const transport = this.#watched(make(this.#withPassword(settings)))
    this.#transport = { anchors, transport }
    return transport
  }

  async #overHttps(): Promise<(settings: TransportSettings) => Transport> {
    const { httpsTransport } = await import('../transports/https.ts')
    return (settings) => httpsTransport(this.#options(settings))
  }

  /** Counts the changes of the road: what failed on an earlier one says nothing of this. */
  get number(): number {
    return this.#number
  }

  /** The next exchange opens a new transport; one that is under way ends on the old. */
  change(): void {
    this.#number++
    this.#transport?.transport.close()
    this.#transport = null
  }

  /** Nothing goes on: an exchange under way is broken off. */
  abort(): void {
    this.#transport?.transport.close({ now: true })
    this.#transport = null
    this.#walks.abort()
    this.#walks = new AbortController()
  }

  /** Walks the road step by step, with other settings or those in force. Changes nothing. */
  async test(
    other: TransportSettings | undefined,
    authorityId: string | null,
    onStep: (step: StepReport) => void,
  ): Promise<RoadReport> {
    const { settings, anchor } = this.require(other && storeSettings(other, this.#store))
    const { signal } = this.#walks
    const { walkRoad } = await import('./connection-test.ts')
    return walkRoad(this.#options(this.#withPassword(settings)), { anchor, authorityId, onStep, signal })
  }

  /** A transport whose requests are seen: by an observer, and in the log, where somebody looks for what is slow. */
  #watched(transport: Transport): Transport {
    return {
      post: async (path, body, _traceparent, headers, authorityId) => {
        const type = path.split('/').at(-1) ?? ''
        const watch = this.#observer?.request(type)
        const begun = this.#now()
        const end = (code: string | null) => {
          watch?.end(code)
          this.#logger.debug('exchange', {
            type,
            outcome: code ?? 'answered',
            milliseconds: this.#now() - begun,
          })
        }
        try {
          const answer = await transport.post(path, body, watch?.traceparent, headers, authorityId)
          end(null)
          return answer
        } catch (thrown) {
          end(asLicensingError(thrown).code)
          throw thrown
        }
      },
      close: (options) => {
        transport.close(options)
      },
    }
  }

  #withPassword(settings: StoredSettings): TransportSettings {
    return openSettings(settings, (sealed) => openSecret(sealed, this.#store.secrets.get(TRANSPORT_KEY)))
  }

  #options(settings: TransportSettings): RoadOptions {
    const anchors = [tlsRoots(this.#store, this.#now()), this.#store.readText('tls-ca')].filter(
      (pem) => pem !== null,
    )
    return { ...roadOf(settings, anchors), authorityOf: authorityOfServer }
  }
}

/** Settings as they are stored: checked, the password sealed. One left out stays, for the same user and proxy. */
export function storeSettings(settings: TransportSettings, store: AgentStore): StoredSettings {
  const good = checkSettings(settings)
  if (good.kind !== 'proxy') return good
  const { kind, url, via, username, password } = good
  const place = { kind, url, via, username: username ?? null }
  if (password !== undefined) {
    if (!store.secrets.has(TRANSPORT_KEY)) store.secrets.put(TRANSPORT_KEY, newSecretKey())
    return { ...place, sealedPassword: sealSecret(password, store.secrets.get(TRANSPORT_KEY)) }
  }
  const stored = store.read('transport', storedSettingsSchema)
  const same = stored?.kind === 'proxy' && stored.via === via && stored.username === place.username
  return { ...place, sealedPassword: same ? stored.sealedPassword : null }
}

/**
 * Checks a PEM file of anchors: an authority's roots, or for TLS alone any certificates.
 *
 * @returns the thumbprint of the first one in it
 * @throws LicensingError TRUST_ANCHOR_INVALID
 */
export async function checkAnchor(pem: string, use: 'authority' | 'tls' = 'authority'): Promise<string> {
  const { ChainError, readCertificates, readRoots, thumbprint } = await import('../pki/chain-validation.ts')
  try {
    const [first] = use === 'authority' ? readRoots(pem) : readCertificates(pem)
    return first ? thumbprint(first) : ''
  } catch (thrown) {
    if (thrown instanceof ChainError)
      throw new LicensingError('TRUST_ANCHOR_INVALID', `The trust anchor cannot be used: ${thrown.message}.`)
    throw thrown
  }
}
