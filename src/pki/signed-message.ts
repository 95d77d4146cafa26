import { type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { findExceededLimit, UNTRUSTED_JSON_LIMITS } from '../core/json-limits.ts'
import type { SignedMessage } from '../protocol/messages.ts'

/** What kind of message is signed: in the protected header, so that one cannot pass for another. */
export type SignedMessageType =
  | 'sla-request+jws'
  | 'sla-answer+jws'
  | 'sla-proof+jws'
  | 'sla-mandate+jws'
  | 'sla-trust-bundle+jws'
  | 'sla-sync-proof+jws'

const ALGORITHM = 'ES256'

/** Certificates travel in `x5c` (RFC 7515 §4.1.6) as base64 DER. */
const toX5c = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')
const fromX5c = (der: string): string => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`

const encode = (text: string): string => Buffer.from(text).toString('base64url')

/** R and S side by side (RFC 7518 §3.4), where X.509 would have them as DER. */
const SIGNATURE_ENCODING = 'ieee-p1363'
const SIGNATURE_BYTES = 64

/** Signs a payload. The certificates, leaf first, say whose the key is; a registration has none yet. */
export function signMessage(
  payload: object,
  by: { type: SignedMessageType; privateKey: KeyObject; certificates?: readonly string[] },
): Promise<SignedMessage> {
  const header = { alg: ALGORITHM, typ: by.type, ...(by.certificates && { x5c: by.certificates.map(toX5c) }) }
  const [head, body] = [encode(JSON.stringify(header)), encode(JSON.stringify(payload))]
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), {
    key: by.privateKey,
    dsaEncoding: SIGNATURE_ENCODING,
  })
  return Promise.resolve({ protected: head, payload: body, signature: signature.toString('base64url') })
}

const headerSchema = z.object({
  alg: z.literal(ALGORITHM),
  typ: z.string(),
  x5c: z.array(z.string()).default([]),
  // Nothing here is understood that must be (RFC 7515 §4.1.11), nor payloads that are not encoded (RFC 7797).
  crit: z.never().optional(),
  b64: z.never().optional(),
})

/** The certificates a sealed message names, leaf first: unchecked. Null when its header is not one of ours. */
export function getCertificateChain(message: SignedMessage, type: SignedMessageType): string[] | null {
  const header = headerSchema.safeParse(decode(message.protected))
  return header.success && header.data.typ === type ? header.data.x5c.map(fromX5c) : null
}

function decode(part: string): unknown {
  try {
    const text = Buffer.from(part, 'base64url').toString('utf8')
    // Read before its signature is checked: its size is a stranger's choice.
    return findExceededLimit(text, UNTRUSTED_JSON_LIMITS) === null ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

/** The payload as JSON, unchecked; undefined when it is none. For finding the key to check it by. */
export const decodePayloadUnverified = (message: SignedMessage): unknown => decode(message.payload)

/** ES256 over exactly these bytes, in the one spelling they have (RFC 7515 §5.2, RFC 7518 §3.4). */
export function verifySignature(
  { protected: head, payload, signature }: SignedMessage,
  key: KeyObject,
): boolean {
  const bytes = Buffer.from(signature, 'base64url')
  if (bytes.toString('base64url') !== signature || bytes.length !== SIGNATURE_BYTES) return false
  if (key.asymmetricKeyType !== 'ec') return false
  return verify('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: SIGNATURE_ENCODING }, bytes)
}

/** Whether the signature is that key's over exactly these bytes, of that type. */
export const verifyMessage = (
  message: SignedMessage,
  type: SignedMessageType,
  publicKey: KeyObject,
): Promise<boolean> =>
  Promise.resolve(getCertificateChain(message, type) !== null && verifySignature(message, publicKey))
