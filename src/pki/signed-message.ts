import { type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { findExceededLimit, UNTRUSTED_JSON_LIMITS } from '../core/json-limits.ts'
import { isP256Key } from './p256-key.ts'
import type { SignedMessage } from '../protocol/messages.ts'

/**
 * Types of messages, as in `typ` of the protected header. The type prevents the use of a message as one of
 * another type.
 */
export type SignedMessageType =
  | 'sla-request+jws'
  | 'sla-answer+jws'
  | 'sla-proof+jws'
  | 'sla-mandate+jws'
  | 'sla-trust-bundle+jws'
  | 'sla-sync-proof+jws'

const ALGORITHM = 'ES256'

/** Converts a PEM certificate to a value of `x5c` (RFC 7515 §4.1.6): base64 DER. */
const toX5c = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')
const fromX5c = (der: string): string => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`

const encode = (text: string): string => Buffer.from(text).toString('base64url')

/** Concatenation of R and S (RFC 7518 §3.4), unlike the DER signatures of X.509. */
const SIGNATURE_ENCODING = 'ieee-p1363'
const SIGNATURE_BYTES = 64

/** Signs a payload with ES256. The certificates identify the signer, leaf first. A registration request has none yet. */
export function signMessage(
  payload: object,
  signer: { type: SignedMessageType; privateKey: KeyObject; certificates?: readonly string[] },
): Promise<SignedMessage> {
  const header = {
    alg: ALGORITHM,
    typ: signer.type,
    ...(signer.certificates && { x5c: signer.certificates.map(toX5c) }),
  }
  const [head, body] = [encode(JSON.stringify(header)), encode(JSON.stringify(payload))]
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), {
    key: signer.privateKey,
    dsaEncoding: SIGNATURE_ENCODING,
  })
  return Promise.resolve({ protected: head, payload: body, signature: signature.toString('base64url') })
}

const headerSchema = z.object({
  alg: z.literal(ALGORITHM),
  typ: z.string(),
  x5c: z.array(z.string()).default([]),
  // No critical extensions (RFC 7515 §4.1.11) and no unencoded payloads (RFC 7797) are supported.
  crit: z.never().optional(),
  b64: z.never().optional(),
})

/** Returns the unverified certificates of a signed message, leaf first. Returns null if its header has another type. */
export function getCertificateChain(message: SignedMessage, type: SignedMessageType): string[] | null {
  const header = headerSchema.safeParse(decode(message.protected))
  return header.success && header.data.typ === type ? header.data.x5c.map(fromX5c) : null
}

function decode(part: string): unknown {
  try {
    const text = Buffer.from(part, 'base64url').toString('utf8')
    // The sender is not authenticated yet, so the size of the JSON is limited.
    return findExceededLimit(text, UNTRUSTED_JSON_LIMITS) === null ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

/** Decodes the unverified payload, to find the key for verification. Returns undefined if it is not JSON. */
export const decodePayloadUnverified = (message: SignedMessage): unknown => decode(message.payload)

/** Verifies the ES256 signature, which must be canonical base64url (RFC 7515 §5.2, RFC 7518 §3.4). */
export function verifySignature(
  { protected: head, payload, signature }: SignedMessage,
  key: KeyObject,
): boolean {
  const bytes = Buffer.from(signature, 'base64url')
  if (bytes.toString('base64url') !== signature || bytes.length !== SIGNATURE_BYTES) return false
  if (!isP256Key(key)) return false
  return verify('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: SIGNATURE_ENCODING }, bytes)
}

/** Verifies the type and the signature of a message. */
export const verifyMessage = (
  message: SignedMessage,
  type: SignedMessageType,
  publicKey: KeyObject,
): Promise<boolean> =>
  Promise.resolve(getCertificateChain(message, type) !== null && verifySignature(message, publicKey))
