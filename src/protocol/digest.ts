import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** A JSON value as the one text it has by RFC 8785, whoever writes it. */
export function toCanonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

/**
 * What a request asks, whatever nonce it is asked with: SHA-256 over the payload without the nonce.
 * Two requests of the same digest are the same request and get the same decision (trust §2).
 */
export function hashRequestPayload(payload: object): string {
  const asked: Record<string, unknown> = { ...payload }
  delete asked.nonce
  return sha256(toCanonicalJson(asked))
}

/** The UDI of a box, comparable where its serial number is not told: SHA-256, base64url. */
export const hashUdi = (pid: string, serial: string): string =>
  serial.startsWith('sha256:') ? serial.slice('sha256:'.length) : sha256(`${pid}\u0000${serial}`)

/** What a serial number may be known as: itself, or its digest where it was left out and came back after a restore. */
export const listSerialForms = (pid: string, serial: string): string[] => [
  serial,
  `sha256:${hashUdi(pid, serial)}`,
]

/** What a box was told: goes back with its next request, so that a copied box is found out (trust §2). */
export const hashAnswer = (messageId: string, decision: unknown): string =>
  sha256(toCanonicalJson({ messageId, decision }))
