import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyHelmetOptions } from '@fastify/helmet'

/** Finds the built pages: next to the programs, or in the build of a checkout. */
export function findPagesDirectory(page: string): string | null {
  const candidates = ['../pages', '../../pages', '../../dist/pages'].map((path) =>
    fileURLToPath(new URL(`${path}/${page}/`, import.meta.url)),
  )
  return candidates.find((path) => existsSync(path)) ?? null
}

/** Returns the headers that let a page load only what this server serves, and styles with the nonce of the request. */
export const createContentPolicy = (): Pick<
  FastifyHelmetOptions,
  'contentSecurityPolicy' | 'referrerPolicy'
> => ({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", (request) => `'nonce-${getNonce(request)}'`],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
})

const nonces = new WeakMap<object, string>()
/** Returns the nonce of a request, for its content security policy and its page. */
export function getNonce(request: object): string {
  const raw = 'raw' in request && typeof request.raw === 'object' && request.raw ? request.raw : request
  const nonce = nonces.get(raw) ?? randomBytes(16).toString('base64')
  nonces.set(raw, nonce)
  return nonce
}
