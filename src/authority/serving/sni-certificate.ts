import { X509Certificate } from 'node:crypto'
import type { Server as TlsServer } from 'node:tls'
import { LicensingError } from '../../core/errors.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { type ConsoleCertificate, listHostNames, reloadCertificate } from '../../http/console-certificate.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import { TLS_SETTINGS } from '../../transports/tls-settings.ts'

/**
 * Company's certificate at the address of the authority's own server. Clients that ask for one of its host names get it (SNI,
 * RFC 6066), and all others, such as devices, the certificate of the authority.
 */
export class SniCertificate {
  readonly #certificate: ConsoleCertificate
  readonly #logger: ServerLogger

  constructor(certificate: ConsoleCertificate, logger: ServerLogger) {
    this.#certificate = certificate
    this.#logger = logger
  }

  /**
   * Presents the certificate.
   *
   * @param own certificate of the authority, for whose names the company's certificate must not be
   * @throws LicensingError INVALID_ARGUMENT
   */
  present(server: TlsServer, own: Credential): void {
    const { hostNames } = this.#certificate
    if (hostNames.length === 0)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'The certificate of --tls-cert has no host name by which clients could ask for it.',
        { remedy: 'Give it an address of its own: --console HOST:PORT.' },
      )
    const [leaf] = own.certificates
    const ownNames = leaf === undefined ? [] : listHostNames(new X509Certificate(leaf))
    const shared = ownNames.find((name) => this.#certificate.isFor(name))
    if (shared !== undefined)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The certificate of --tls-cert is for ${shared}, which is a name of this authority for its devices. Devices trust only the authority's own certificate.`,
        { remedy: 'Use another host name, or give the console an address of its own: --console HOST:PORT.' },
      )
    this.#addContexts(server)
  }

  /** Presents a replaced certificate. */
  renew(server: TlsServer): void {
    if (reloadCertificate(this.#certificate, this.#logger)) this.#addContexts(server)
  }

  /** Adds the certificate for each of its names. Of several for one name, a server uses the last. */
  #addContexts(server: TlsServer): void {
    for (const name of this.#certificate.hostNames)
      server.addContext(name, { ...this.#certificate.tls, ...TLS_SETTINGS })
  }
}
