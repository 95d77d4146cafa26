import type { AgentCore } from './agent-core.ts'
import { type TransportManager, validateTrustAnchor } from './transport-manager.ts'
import { readAnchors, replaceRoots, requireAnchors, writeAnchors } from './trust-store.ts'

/** The certificates that the authority is checked by (`agent.trust`). */
export class TrustApi {
  readonly #core: AgentCore
  readonly #transport: TransportManager

  constructor(core: AgentCore, transport: TransportManager) {
    this.#core = core
    this.#transport = transport
  }

  /**
   * Installs the root certificate of the authority (PEM), or the statements by which the authority replaced the one that is installed:
   * a file of `smart-authority trust bundle export`.
   *
   * @throws LicensingError TRUST_ANCHOR_INVALID, TRUST_ANCHOR_MISSING, TRUST_BUNDLE_REFUSED
   */
  async install(text: string): Promise<void> {
    const { store, clock, runner } = this.#core
    const { installRotations, parseRootRotations } = await import('../pki/root-rotation.ts')
    const bundles = parseRootRotations(text)
    const anchors = bundles && installRotations(requireAnchors(store), bundles, clock.now())
    const detail = anchors ? `bundle ${anchors.number}` : await validateTrustAnchor(text)
    store.commit(() => {
      if (anchors) writeAnchors(store, anchors)
      else replaceRoots(store, text)
    })
    runner.recordNotice('TRUST_CHANGED', detail)
    this.#transport.reset()
  }

  /** Installs a further anchor for TLS alone, such as the CA of a gateway: PEM. @throws LicensingError TRUST_ANCHOR_INVALID */
  async installTlsCa(pem: string): Promise<void> {
    const { store, runner } = this.#core
    const thumbprint = await validateTrustAnchor(pem, 'tls')
    store.commit(() => {
      store.write('tls-ca', pem)
    })
    runner.recordNotice('TRUST_CHANGED', `${thumbprint}, for TLS alone`)
    this.#transport.reset()
  }

  /** Returns the root certificates that are trusted: PEM, the newest first; null when there are none. */
  anchor(): string | null {
    return this.#transport.readTrustAnchor()
  }

  /** Returns the version of the roots that are trusted: 0 for roots that were installed by hand. */
  rootVersion(): number {
    return readAnchors(this.#core.store)?.number ?? 0
  }
}
