import type { AgentCore } from './agent-core.ts'
import { type TransportManager, validateTrustAnchor } from './transport-manager.ts'
import { readAnchors, replaceRoots, requireAnchors, writeAnchors } from './trust-store.ts'

/** Trusted root certificates of the authority (`agent.trust`). */
export class TrustApi {
  readonly #core: AgentCore
  readonly #transport: TransportManager

  constructor(core: AgentCore, transport: TransportManager) {
    this.#core = core
    this.#transport = transport
  }

  /**
   * Installs the root certificate of the authority (PEM), or root rotation statements that replace the installed root
   * (a file from `smart-authority trust bundle export`).
   *
   * @throws LicensingError TRUST_ANCHOR_INVALID, TRUST_ANCHOR_MISSING, TRUST_BUNDLE_REFUSED
   */
  async install(text: string): Promise<void> {
    const { store, clock, runner, device } = this.#core
    device.requireOpen()
    const { installRotations, parseRootRotations } = await import('../pki/root-rotation.ts')
    const bundles = parseRootRotations(text)
    const anchors = bundles && installRotations(requireAnchors(store), bundles, clock.now())
    const detail = anchors ? `root version ${anchors.number}` : await validateTrustAnchor(text)
    store.commit(() => {
      if (anchors) writeAnchors(store, anchors)
      else replaceRoots(store, text)
    })
    runner.recordNotice('TRUST_CHANGED', detail)
    this.#transport.reset()
  }

  /** Installs a trust anchor for TLS only (PEM), such as the CA of a gateway. @throws LicensingError TRUST_ANCHOR_INVALID */
  async installTlsCa(pem: string): Promise<void> {
    const { store, runner, device } = this.#core
    device.requireOpen()
    const thumbprint = await validateTrustAnchor(pem, 'tls')
    store.commit(() => {
      store.write('tls-ca', pem)
    })
    runner.recordNotice('TRUST_CHANGED', `${thumbprint}, for TLS only`)
    this.#transport.reset()
  }

  /** Returns the trusted root certificates (PEM), newest first. Null if there are none. */
  anchor(): string | null {
    this.#core.device.requireOpen()
    return this.#transport.readTrustAnchor()
  }

  /** Returns the version of the trusted roots. 0 for manually installed roots. */
  rootVersion(): number {
    this.#core.device.requireOpen()
    return readAnchors(this.#core.store)?.number ?? 0
  }
}
