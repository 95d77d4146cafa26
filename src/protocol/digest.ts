import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** Returns the canonical JSON of a value (RFC 8785). */
export function toCanonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

/**
 * Computes SHA-256 over a request payload without its nonce and the device's last signed answer. Requests with the same
 * digest are the same request and get the same decision.
 */
export function hashRequestPayload(payload: object): string {
  const rest: Record<string, unknown> = { ...payload }
  delete rest.nonce
  delete rest.lastSignedAnswer
  return sha256(toCanonicalJson(rest))
}

/** Computes the digest of a UDI, so that redacted serial numbers can be compared: SHA-256, base64url. */
export const hashUdi = (pid: string, serial: string): string =>
  serial.startsWith('sha256:') ? serial.slice('sha256:'.length) : sha256(`${pid}\u0000${serial}`)

/** Returns both stored forms of a serial number. The digest is stored if a satellite redacted the serial number. */
export const listSerialForms = (pid: string, serial: string): string[] => [
  serial,
  `sha256:${hashUdi(pid, serial)}`,
]

/** Computes the digest of an answer. A device sends it with its next request, which reveals cloned devices. */
export const hashAnswer = (messageId: string, decision: unknown): string =>
  sha256(toCanonicalJson({ messageId, decision }))
