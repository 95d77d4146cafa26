import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Clock } from '../domain/clock.ts'
import { LicensingError } from '../domain/errors.ts'
import { DAY } from '../domain/instant.ts'
import { hostInUrl, listenOn, LONGEST_TIMER, LOOPBACK } from '../transports/listen.ts'
import { createSelfSigned, type Credential, tlsOptions } from '../trust/certificates.ts'
import { SecretFiles } from '../trust/private-files.ts'

const LIFE = 397 * DAY
const RENEWED_BEFORE = 30 * DAY

/** The names a server is called by, whatever address it listens on. */
export function hostNames(listen: string, more: readonly string[]): string[] {
  const every = listen === '0.0.0.0' || listen === '::'
  return [...new Set([...LOOPBACK, hostname(), ...(every ? [] : [listen]), ...more])]
}

/** A short name for something that is the same at every start, and different from another's. */
export const shortId = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 10)

/** Listens over HTTPS with a certificate of its own, kept in the directory. @throws LicensingError ADDRESS_IN_USE, STORE_* */
export async function listenWithOwnCertificate(
  options: { host: string; port: number; names: readonly string[]; directory: string; clock: Clock },
  routes: (server: FastifyInstance) => Promise<void>,
): Promise<{ url: string; fingerprint: string; close: () => Promise<void> }> {
  const { host, port } = options
  const tls = await ownCertificate(options)
  const server = Fastify({
    https: {
      ...tlsOptions(tls),
      minVersion: 'TLSv1.2',
      handshakeTimeout: LONGEST_TIMER,
    },
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    requestTimeout: 0,
    keepAliveTimeout: LONGEST_TIMER,
  })
  server.server.headersTimeout = LONGEST_TIMER
  server.setNotFoundHandler(async (_request, reply) => {
    const failure = new LicensingError('REQUEST_MALFORMED', 'There is nothing at this address.')
    await reply.code(404).send({ error: failure.toJSON() })
  })
  await server.register(routes)
  const bound = await listenOn(server, { host, port })
  return {
    url: `https://${hostInUrl(host)}:${bound}`,
    fingerprint: new X509Certificate(tls.certificates[0] ?? '').fingerprint256,
    close: () => server.close(),
  }
}

/** The certificate there is, while it lasts and holds every name; another otherwise. */
async function ownCertificate(options: {
  names: readonly string[]
  directory: string
  clock: Clock
}): Promise<Credential> {
  const { names, directory, clock } = options
  const files = new SecretFiles(directory)
  const at = clock.wall()
  if (files.has('tls.pem') && files.has('tls.key')) {
    const pem = files.get('tls.pem')
    const certificate = new X509Certificate(pem)
    const alternatives = certificate.subjectAltName ?? ''
    const lasts =
      Date.parse(certificate.validTo) > at + RENEWED_BEFORE && Date.parse(certificate.validFrom) <= at
    if (
      lasts &&
      names.every((name) => certificate.checkHost(name) ?? certificate.checkIP(name) ?? alternatives === name)
    )
      return { certificates: [pem], privateKey: createPrivateKey(files.get('tls.key')) }
  }
  const [name = 'localhost'] = names
  const made = await createSelfSigned({
    name,
    account: '',
    authorityId: '',
    notBefore: at - DAY,
    notAfter: at + LIFE,
    hosts: names,
  })
  const { cert, key } = tlsOptions(made)
  files.put('tls.key', key)
  files.put('tls.pem', cert)
  return made
}
