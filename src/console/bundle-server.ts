import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import helmet from '@fastify/helmet'
import files from '@fastify/static'
import fastify from 'fastify'
import { LicensingError } from '../core/errors.ts'
import { formatUrlHost, LOOPBACK_HOSTS, stripBrackets } from '../core/host-name.ts'
import { toAddressInUseError } from '../http/listen.ts'
import { createContentPolicy, findPagesDirectory, getNonce } from './pages.ts'

/** Inspector that is being served. */
export interface ServedBundle {
  /** URL with the key that the page needs to read the bundle. */
  readonly url: string
  readonly close: () => Promise<void>
}

/**
 * Serves the inspector with one support bundle to browsers on the same computer, over HTTP. Only a page that was opened with
 * the key of the URL can read the bundle.
 *
 * @param read returns the bundle; called for each request
 * @throws LicensingError INVALID_ARGUMENT for a host that is not a loopback address, PAGES_MISSING, ADDRESS_IN_USE
 */
export async function serveBundle(
  read: () => Promise<unknown>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<ServedBundle> {
  if (!LOOPBACK_HOSTS.includes(host))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The host of the inspector must be one of ${LOOPBACK_HOSTS.join(', ')}.`,
    )
  const directory = findPagesDirectory('inspector')
  if (directory === null)
    throw new LicensingError(
      'PAGES_MISSING',
      'This installation does not contain the pages of the inspector.',
    )
  const key = randomBytes(16).toString('base64url')
  const server = fastify()
  await server.register(helmet, { strictTransportSecurity: false, ...createContentPolicy() })
  server.addHook('onRequest', async ({ hostname }, reply) => {
    // Another host name on the loopback address is a page that rebinds its name.
    if (!LOOPBACK_HOSTS.includes(stripBrackets(hostname.replace(/:\d+$/, ''))))
      await reply.code(403).send({ error: 'This host name is not served.' })
  })
  const index = readFileSync(`${directory}index.html`, 'utf8')
  await server.register(files, {
    root: `${directory}../assets`,
    prefix: '/assets/',
    preCompressed: true,
    index: false,
  })
  server.get('/', (request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(index.replaceAll('__NONCE__', getNonce(request))),
  )
  server.get<{ Querystring: { key?: string } }>('/bundle', async (request, reply) => {
    void reply.header('cache-control', 'no-store')
    if (!isEqual(request.query.key ?? '', key))
      return reply.code(403).send({ error: 'Open the URL that the command printed.' })
    return read()
  })
  try {
    await server.listen({ host, port })
  } catch (error) {
    await server.close()
    throw toAddressInUseError({ host, port }, error)
  }
  const address = server.server.address() as AddressInfo
  return {
    url: `http://${formatUrlHost(host)}:${address.port}/?key=${key}`,
    close: () => server.close(),
  }
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
