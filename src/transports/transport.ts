import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'

/** Route by which a device reaches its authority. */
export interface Transport {
  /**
   * Posts a text to a path below the authority's URL and returns the text of the answer. The content type is JSON unless
   * a header sets another.
   *
   * @param traceparent trace of the request (W3C Trace Context)
   * @param headers further headers, with names in lower case
   * @param authorityId id of the expected authority. Nothing is sent if the server's certificate names another
   * authority
   * @throws LicensingError of kind `transport`
   */
  post(
    path: string,
    body: string,
    traceparent?: string | null,
    headers?: Readonly<Record<string, string>>,
    authorityId?: string | null,
  ): Promise<string>
  /** Closes idle connections. An exchange in progress is completed, or aborted with `now`. */
  close(options?: { now?: boolean }): void
}

/**
 * Settings of the transport: direct to the manager (R-NET-1), through a gateway with the same protocol, such as a
 * satellite or a reverse proxy (R-NET-2), or through an HTTP or HTTPS proxy (R-NET-3).
 */
export type TransportSettings =
  | { readonly kind: 'direct' | 'gateway'; readonly url: string }
  | {
      readonly kind: 'proxy'
      /** URL of the authority, to which the proxy opens a tunnel. The proxy sees only encrypted data. */
      readonly url: string
      /** URL of the proxy. */
      readonly via: string
      readonly username?: string | undefined
      /**
       * Password of the user, which no function returns. If it is absent, the stored password for the same user
       * and proxy stays.
       */
      readonly password?: string | undefined
    }

const urlSchema = z.string().max(2048)

/** Schema of transport settings from another program. `normalizeSettings` validates URLs and credentials. */
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

/** Schema of stored settings, in which the password is encrypted with a separately stored key. */
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

/** Usual port of a proxy (planning guide, "Configure the Transport Settings"). */
const DEFAULT_PROXY_PORT = 3128

function parseUrl(text: string, refuse: (reason: string) => LicensingError): URL {
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    throw refuse('it is not a URL')
  }
  // The check is on the text, because the parsed URL does not show an empty query or fragment.
  if (/[?#]/.test(text)) throw refuse('it contains a query or a fragment')
  if (url.hostname === '') throw refuse('it has no host')
  return url
}

/**
 * Parses the URL of an authority to its stored form: https, without credentials, query, fragment and trailing slash.
 *
 * @throws LicensingError TRANSPORT_URL_INVALID
 */
export function parseAuthorityUrl(text: string): string {
  const refuse = (reason: string) =>
    new LicensingError('TRANSPORT_URL_INVALID', `The URL of the authority cannot be used: ${reason}.`)
  const url = parseUrl(text, refuse)
  if (url.protocol !== 'https:') throw refuse(`it begins with ${url.protocol}// and must begin with https://`)
  if (url.username !== '' || url.password !== '') throw refuse('it contains a user name or password')
  return url.href.replace(/\/+$/, '')
}

/**
 * Parses the URL of a proxy to its stored form: scheme, host and port. The default port is 3128.
 *
 * @throws LicensingError PROXY_URL_INVALID
 */
export function parseProxyUrl(text: string): string {
  const refuse = (reason: string) =>
    new LicensingError('PROXY_URL_INVALID', `The URL of the proxy cannot be used: ${reason}.`)
  const trimmed = text.trim()
  if (trimmed.includes('\\')) throw refuse('it contains a backslash')
  const url = parseUrl(trimmed, refuse)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse(`it begins with ${url.protocol}// and must begin with http:// or https://`)
  if (url.username !== '' || url.password !== '')
    throw refuse('it contains a user name or password, which must be given as separate options')
  if (url.pathname !== '/') throw refuse('it contains a path')
  // The URL parser drops the default port of the scheme, so the port is read from the text.
  const writtenPort = /:(\d+)\/?$/.exec(trimmed)?.[1]
  return `${url.protocol}//${url.hostname}:${url.port || Number(writtenPort ?? DEFAULT_PROXY_PORT)}`
}

/**
 * Checks that a user name and a password can be sent with Basic authentication (RFC 7617).
 *
 * @throws LicensingError PROXY_CREDENTIALS_INVALID
 */
export function checkProxyCredentials(username: string | undefined, password: string | undefined): void {
  const refuse = (reason: string) =>
    new LicensingError(
      'PROXY_CREDENTIALS_INVALID',
      `The user name or password of the proxy cannot be used: ${reason}.`,
    )
  if (username === undefined) {
    if (password !== undefined) throw refuse('a password was given without a user name')
    return
  }
  if (username === '') throw refuse('the user name is empty')
  if (username.includes(':')) throw refuse('the user name contains a colon')
  if (/\p{Cc}/u.test(username + (password ?? ''))) throw refuse('it contains a control character')
}

/**
 * Validates settings and converts their URLs to the stored form.
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

/** Converts stored settings to transport settings. @param decrypt decrypts the password */
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
