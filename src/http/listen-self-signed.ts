import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../core/clock.ts'
import type { NetworkList } from '../core/ip-address.ts'
import { DAY } from '../core/time.ts'
import { LOOPBACK_HOSTS } from '../core/host-name.ts'
import { listenHttps, type ListeningServer } from './listen-https.ts'
import { createSelfSigned, type Credential, toTlsOptions } from '../pki/certificate-generation.ts'
import { SecretFileStore } from '../storage/private-files.ts'

const CERTIFICATE_LIFETIME_MS = 397 * DAY
const RENEWAL_WINDOW_MS = 30 * DAY

/** Returns the host names and addresses for the certificate of a server. */
export function listHostNames(listen: string, more: readonly string[]): string[] {
  const isUnspecified = listen === '0.0.0.0' || listen === '::'
  return [...new Set([...LOOPBACK_HOSTS, hostname(), ...(isUnspecified ? [] : [listen]), ...more])]
}

/** Returns a short, stable identifier of a text. */
export const hashId = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10)

/** Server that listens with a self-signed certificate. */
type SelfSignedServer = Pick<ListeningServer, 'url' | 'connections' | 'drain' | 'close'> & {
  readonly fingerprint: string
}

/** Listens over HTTPS with a self-signed certificate in the directory. @throws LicensingError ADDRESS_IN_USE, STORE_* */
export async function listenWithSelfSignedCertificate(
  options: {
    host: string
    port: number
    names: readonly string[]
    directory: string
    clock: Clock
    trustedProxies: NetworkList
  },
  routes: (server: FastifyInstance) => Promise<void>,
): Promise<SelfSignedServer> {
  const { host, port, trustedProxies } = options
  const tls = await ensureCertificate(options)
  const listening = await listenHttps({ host, port, tls: toTlsOptions(tls), trustedProxies }, routes)
  return { ...listening, fingerprint: new X509Certificate(tls.certificates[0] ?? '').fingerprint256 }
}

/** Returns the stored certificate if it is valid for every name and not due for renewal, or creates another. */
async function ensureCertificate(options: {
  names: readonly string[]
  directory: string
  clock: Clock
}): Promise<Credential> {
  const { names, directory, clock } = options
  const files = new SecretFileStore(directory)
  const at = clock.wall()
  if (files.has('tls.pem') && files.has('tls.key')) {
    const pem = files.get('tls.pem')
    const certificate = new X509Certificate(pem)
    const alternatives = certificate.subjectAltName ?? ''
    const isValid =
      Date.parse(certificate.validTo) > at + RENEWAL_WINDOW_MS && Date.parse(certificate.validFrom) <= at
    if (
      isValid &&
      names.every((name) => certificate.checkHost(name) ?? certificate.checkIP(name) ?? alternatives === name)
    )
      return { certificates: [pem], privateKey: createPrivateKey(files.get('tls.key')) }
  }
  const [name = 'localhost'] = names
  const made = await createSelfSigned({
    name,
    notBefore: at - DAY,
    notAfter: at + CERTIFICATE_LIFETIME_MS,
    hosts: names,
  })
  const { cert, key } = toTlsOptions(made)
  files.put('tls.key', key)
  files.put('tls.pem', cert)
  return made
}
