import { z } from 'zod'
import { LicensingError } from '../domain/errors.ts'

/** How a box reaches its authority. */
export interface Transport {
  /**
   * Posts a JSON text to a path below the authority's URL, and gives back the text of the answer.
   *
   * @throws LicensingError of kind `transport`, whatever went wrong on the way
   */
  post(path: string, body: string): Promise<string>
  /** Closes idle connections. */
  close(): void
}

/**
 * Settings of the transport: direct to the manager (R-NET-1), or through a gateway that speaks the same
 * protocol, such as a satellite (R-NET-2).
 */
export const transportSettingsSchema = z.strictObject({
  kind: z.enum(['direct', 'gateway']),
  url: z.string(),
})
export type TransportSettings = z.infer<typeof transportSettingsSchema>

/**
 * The authority's URL as it is stored: https only, without credentials, query, fragment or last slash.
 *
 * @throws LicensingError TRANSPORT_URL_INVALID
 */
export function parseAuthorityUrl(text: string): string {
  const refuse = (why: string) =>
    new LicensingError('TRANSPORT_URL_INVALID', `The URL cannot be used: ${why}.`)
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    throw refuse('it is not a URL')
  }
  if (url.protocol !== 'https:') throw refuse(`it begins with ${url.protocol}// and must begin with https://`)
  if (url.username !== '' || url.password !== '') throw refuse('it holds a user name or password')
  if (url.search !== '' || url.hash !== '') throw refuse('it holds a query or a fragment')
  if (url.hostname === '') throw refuse('it names no host')
  return url.href.replace(/\/+$/, '')
}
