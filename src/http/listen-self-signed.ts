import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../core/clock.ts'
import { DAY } from '../core/time.ts'
import { ConnectionLimiter } from './connection-limiter.ts'
import { createHardenedServer } from './create-server.ts'
import { formatUrlHost, LOOPBACK_HOSTS } from '../core/host-name.ts'
import { listen } from './listen.ts'
import { createSelfSigned, type Credential, toTlsOptions } from '../pki/certificate-generation.ts'
import { SecretFileStore } from '../storage/private-files.ts'

/** A page has a few connections, and a device few pages. */
const MAX_CONNECTIONS = 500
const MAX_BODY_BYTES = 256 * 1024
const MAX_INFLIGHT_BODY_BYTES = 16 * 1024 * 1024
const CERTIFICATE_LIFETIME_MS = 397 * DAY
const RENEWAL_WINDOW_MS = 30 * DAY

/** The names a server is called by, whatever address it listens on. */
export function listHostNames(listen: string, more: readonly string[]): string[] {
  const every = listen === '0.0.0.0' || listen === '::'
  return [...new Set([...LOOPBACK_HOSTS, hostname(), ...(every ? [] : [listen]), ...more])]
}

/** A short name for something that is the same at every start, and different from another's. */
export const hashId = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10)

/** A server with a certificate of its own. */
interface ListeningServer {
  readonly url: string
  readonly fingerprint: string
  readonly connections: ConnectionLimiter
  /** Takes nothing new, and answers what is under way first. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Listens over HTTPS with a certificate of its own, kept in the directory. @throws LicensingError ADDRESS_IN_USE, STORE_* */
export async function listenWithSelfSignedCertificate(
  options: { host: string; port: number; names: readonly string[]; directory: string; clock: Clock },
  routes: (server: FastifyInstance) => Promise<void>,
): Promise<ListeningServer> {
  const { host, port } = options
  const tls = await ensureCertificate(options)
  const connections = new ConnectionLimiter({
    maxConnections: MAX_CONNECTIONS,
    maxInflightBodyBytes: MAX_INFLIGHT_BODY_BYTES,
  })
  const server = createHardenedServer({
    tls: toTlsOptions(tls),
    limiter: connections,
    bodyLimit: MAX_BODY_BYTES,
  })
  await server.register(routes)
  const bound = await listen(server, { host, port })
  return {
    url: `https://${formatUrlHost(host)}:${bound}`,
    fingerprint: new X509Certificate(tls.certificates[0] ?? '').fingerprint256,
    connections,
    drain: () => server.close(),
    close: async () => {
      connections.abort()
      await server.close()
    },
  }
}

/** The certificate there is, while it lasts and holds every name; another otherwise. */
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
    const lasts =
      Date.parse(certificate.validTo) > at + RENEWAL_WINDOW_MS && Date.parse(certificate.validFrom) <= at
    if (
      lasts &&
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
