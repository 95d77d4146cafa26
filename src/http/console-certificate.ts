import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { LicensingError, toLicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'
import type { ServerLogger } from '../core/server-logger.ts'

/** Paths of a certificate with its chain and of its private key, both PEM. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** Certificate and key as PEM, for a TLS server. */
interface TlsPem {
  readonly cert: string
  readonly key: string
}

/**
 * TLS certificate of a company's own CA, for the browsers and programs that use the web console and the REST API. Another
 * program may replace its files, such as an ACME client.
 */
export class ConsoleCertificate {
  readonly #files: CertificateFiles
  #tls: TlsPem
  #leaf: X509Certificate

  /** @throws LicensingError FILE_UNREADABLE, INVALID_ARGUMENT */
  constructor(files: CertificateFiles) {
    this.#files = files
    this.#tls = readPem(files)
    this.#leaf = checkPem(files, this.#tls)
  }

  get tls(): TlsPem {
    return this.#tls
  }

  /** Returns the host names of the certificate. A name may begin with a wildcard. */
  get hostNames(): readonly string[] {
    return listHostNames(this.#leaf)
  }

  /** Returns the host names and IP addresses of the certificate. */
  get names(): readonly string[] {
    return [...this.hostNames, ...listAlternatives(this.#leaf, 'IP Address:')]
  }

  /** Checks whether the certificate is for a host name, also by a wildcard. */
  isFor(hostName: string): boolean {
    return this.#leaf.checkHost(hostName, { subject: 'never' }) !== undefined
  }

  /**
   * Reads the files again. If they cannot be used, the certificate stays as it was.
   *
   * @returns true if the certificate or the key changed
   * @throws LicensingError FILE_UNREADABLE, INVALID_ARGUMENT
   */
  reload(): boolean {
    const tls = readPem(this.#files)
    if (tls.cert === this.#tls.cert && tls.key === this.#tls.key) return false
    this.#leaf = checkPem(this.#files, tls)
    this.#tls = tls
    return true
  }
}

/** Reads the files of a certificate again. Logs files that cannot be used. @returns true if the certificate changed */
export function reloadCertificate(certificate: ConsoleCertificate, logger: ServerLogger): boolean {
  try {
    const isChanged = certificate.reload()
    if (isChanged)
      logger.info('the certificate of the web console was replaced', { names: certificate.names })
    return isChanged
  } catch (error) {
    logger.error('the certificate of the web console cannot be replaced', {
      reason: toLicensingError(error).message,
    })
    return false
  }
}

/** Returns the host names in the subject alternative names of a certificate. */
export const listHostNames = (certificate: X509Certificate): string[] => listAlternatives(certificate, 'DNS:')

function listAlternatives({ subjectAltName }: X509Certificate, kind: string): string[] {
  const alternatives = subjectAltName?.split(', ') ?? []
  return alternatives.filter((text) => text.startsWith(kind)).map((text) => text.slice(kind.length))
}

const readPem = ({ certificate, key }: CertificateFiles): TlsPem => ({
  cert: readPemFile(certificate),
  key: readPemFile(key),
})

function readPemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new LicensingError('FILE_UNREADABLE', `${path} cannot be read (${errnoCode(error)}).`)
  }
}

/** Checks that the files are a certificate and its key, as a TLS server needs them. Returns the leaf certificate. */
function checkPem(files: CertificateFiles, { cert, key }: TlsPem): X509Certificate {
  const refuse = (reason: string) => new LicensingError('INVALID_ARGUMENT', reason)
  const leaf = attempt(() => new X509Certificate(cert))
  if (leaf === null) throw refuse(`${files.certificate} does not contain a certificate in PEM format.`)
  const privateKey: KeyObject | null = attempt(() => createPrivateKey(key))
  if (privateKey === null)
    throw refuse(
      `${files.key} does not contain a private key in PEM format. An encrypted key must be decrypted first.`,
    )
  if (!leaf.checkPrivateKey(privateKey))
    throw refuse(
      `The private key in ${files.key} does not belong to the certificate in ${files.certificate}.`,
    )
  if (Date.parse(leaf.validTo) <= Date.now())
    throw refuse(`The certificate in ${files.certificate} ended at ${leaf.validTo}.`)
  if (attempt(() => createSecureContext({ cert, key })) === null)
    throw refuse(`The certificate chain in ${files.certificate} cannot be used for TLS.`)
  return leaf
}

function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
