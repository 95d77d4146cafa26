import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'

/** How a box reaches its authority. */
export interface Transport {
  /**
   * Posts a text, JSON unless a header says otherwise, to a path below the authority's URL, and gives back the text of the answer.
   *
   * @param traceparent the trace that the request is a part of (W3C Trace Context)
   * @param headers further headers, by their names in small letters
   * @param authorityId the authority it is for: where the server's certificate says that it is another's, nothing is sent
   * @throws LicensingError of kind `transport`, whatever went wrong on the way
   */
  post(
    path: string,
    body: string,
    traceparent?: string | null,
    headers?: Readonly<Record<string, string>>,
    authorityId?: string | null,
  ): Promise<string>
  /** No further exchange is begun: idle connections are closed, and one under way is let end, or with `now` broken off. */
  close(options?: { now?: boolean }): void
}

/**
 * Settings of the transport: direct to the manager (R-NET-1); through a gateway that speaks the same protocol, such
 * as a satellite or a relaying reverse proxy (R-NET-2); or through an HTTP or HTTPS proxy (R-NET-3).
 */
export type TransportSettings =
  | { readonly kind: 'direct' | 'gateway'; readonly url: string }
  | {
      readonly kind: 'proxy'
      /** The authority's URL: the proxy makes a tunnel to it, and sees nothing of what passes. */
      readonly url: string
      /** The proxy's URL. */
      readonly via: string
      readonly username?: string | undefined
      /** Goes in, and never comes out again. Left out, the stored one of the same user and proxy stays. */
      readonly password?: string | undefined
    }

const urlSchema = z.string().max(2048)

/** Transport settings as a caller of another program gives them. The URLs and credentials are checked when they are set. */
export const transportSettingsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('direct'), url: urlSchema }),
  z.object({ kind: z.literal('gateway'), url: urlSchema }),
  z.object({
    kind: z.literal('proxy'),
    url: urlSchema,
    via: urlSchema,
    username: z.string().max(1000).optional(),
    password: z.string().max(1000).optional(),
  }),
])

/** Settings as they are stored: a password only under a key that is kept apart. */
export const storedSettingsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['direct', 'gateway']), url: z.string() }),
  z.object({
    kind: z.literal('proxy'),
    url: z.string(),
    via: z.string(),
    username: z.string().nullable(),
    sealedPassword: z.string().nullable(),
  }),
])
export type StoredSettings = z.infer<typeof storedSettingsSchema>

/** What a program listens on when a proxy is meant (guide, "Configure the Transport Settings"). */
const DEFAULT_PROXY_PORT = 3128

function parseUrl(text: string, refuse: (why: string) => LicensingError): URL {
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    throw refuse('it is not a URL')
  }
  // By what was written: an empty query or fragment leaves no trace in the URL's parts.
  if (/[?#]/.test(text)) throw refuse('it holds a query or a fragment')
  if (url.hostname === '') throw refuse('it names no host')
  return url
}

/**
 * The authority's URL as it is stored: https only, without credentials, query, fragment or last slash.
 *
 * @throws LicensingError TRANSPORT_URL_INVALID
 */
export function parseAuthorityUrl(text: string): string {
  const refuse = (why: string) =>
    new LicensingError('TRANSPORT_URL_INVALID', `The URL cannot be used: ${why}.`)
  const url = parseUrl(text, refuse)
  if (url.protocol !== 'https:') throw refuse(`it begins with ${url.protocol}// and must begin with https://`)
  if (url.username !== '' || url.password !== '') throw refuse('it holds a user name or password')
  return url.href.replace(/\/+$/, '')
}

/**
 * A proxy's URL as it is stored: scheme, host and port, which is 3128 unless it is written.
 *
 * @throws LicensingError PROXY_URL_INVALID
 */
export function parseProxyUrl(text: string): string {
  const refuse = (why: string) =>
    new LicensingError('PROXY_URL_INVALID', `The URL of the proxy cannot be used: ${why}.`)
  const trimmed = text.trim()
  if (trimmed.includes('\\')) throw refuse('it holds a backslash')
  const url = parseUrl(trimmed, refuse)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse(`it begins with ${url.protocol}// and must begin with http:// or https://`)
  if (url.username !== '' || url.password !== '')
    throw refuse('it holds a user name or password, which have places of their own')
  if (url.pathname !== '/') throw refuse('it holds a path')
  // The URL parser leaves out a scheme's own port: what was written counts.
  const written = /:(\d+)\/?$/.exec(trimmed)?.[1]
  return `${url.protocol}//${url.hostname}:${url.port || Number(written ?? DEFAULT_PROXY_PORT)}`
}

/**
 * A user name and a password as Basic authentication takes them (RFC 7617).
 *
 * @throws LicensingError PROXY_CREDENTIALS_INVALID
 */
export function checkProxyCredentials(username: string | undefined, password: string | undefined): void {
  const refuse = (why: string) =>
    new LicensingError('PROXY_CREDENTIALS_INVALID', `The proxy's user cannot be used: ${why}.`)
  if (username === undefined) {
    if (password !== undefined) throw refuse('a password was given without a user name')
    return
  }
  if (username === '') throw refuse('the user name is empty')
  if (username.includes(':')) throw refuse('a user name holds no colon')
  if (/\p{Cc}/u.test(username + (password ?? ''))) throw refuse('it holds a control character')
}

/**
 * Settings in the form they are kept in: URLs with their ports, credentials as they can be sent.
 *
 * @throws LicensingError TRANSPORT_URL_INVALID, PROXY_URL_INVALID, PROXY_CREDENTIALS_INVALID
 */
export function normalizeSettings(settings: TransportSettings): TransportSettings {
  const url = parseAuthorityUrl(settings.url)
  if (settings.kind !== 'proxy') return { kind: settings.kind, url }
  const via = parseProxyUrl(settings.via)
  const { username, password } = settings
  checkProxyCredentials(username, password)
  return { kind: settings.kind, url, via, username, password }
}

/** Stored settings as a transport takes them. @param decrypt opens a sealed password */
export function decryptSettings(
  stored: StoredSettings,
  decrypt: (sealed: string) => string,
): TransportSettings {
  if (stored.kind !== 'proxy') return stored
  const { sealedPassword, username, ...rest } = stored
  return {
    ...rest,
    ...(username !== null && { username }),
    ...(sealedPassword !== null && { password: decrypt(sealedPassword) }),
  }
}
