import { type KeyObject, sign, verify } from 'node:crypto'
import { z } from 'zod'
import { exceededLimit, STRANGERS_JSON } from '../core/json-limits.ts'
import type { Sealed } from '../protocol/messages.ts'

/** What kind of message is signed: in the protected header, so that one cannot pass for another. */
export type SealType =
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
const SIGNATURE_FORM = 'ieee-p1363'
const SIGNATURE_BYTES = 64

/** Signs a payload. The certificates, leaf first, say whose the key is; a registration has none yet. */
export function seal(
  payload: object,
  by: { type: SealType; privateKey: KeyObject; certificates?: readonly string[] },
): Promise<Sealed> {
  const header = { alg: ALGORITHM, typ: by.type, ...(by.certificates && { x5c: by.certificates.map(toX5c) }) }
  const [head, body] = [encode(JSON.stringify(header)), encode(JSON.stringify(payload))]
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), {
    key: by.privateKey,
    dsaEncoding: SIGNATURE_FORM,
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
export function sealedCertificates(sealed: Sealed, type: SealType): string[] | null {
  const header = headerSchema.safeParse(decode(sealed.protected))
  return header.success && header.data.typ === type ? header.data.x5c.map(fromX5c) : null
}

function decode(part: string): unknown {
  try {
    const text = Buffer.from(part, 'base64url').toString('utf8')
    // Read before its signature is checked: its size is a stranger's choice.
    return exceededLimit(text, STRANGERS_JSON) === null ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

/** The payload as JSON, unchecked; undefined when it is none. For finding the key to check it by. */
export const peek = (sealed: Sealed): unknown => decode(sealed.payload)

/** ES256 over exactly these bytes, in the one spelling they have (RFC 7515 §5.2, RFC 7518 §3.4). */
export function signatureFits({ protected: head, payload, signature }: Sealed, key: KeyObject): boolean {
  const bytes = Buffer.from(signature, 'base64url')
  if (bytes.toString('base64url') !== signature || bytes.length !== SIGNATURE_BYTES) return false
  if (key.asymmetricKeyType !== 'ec') return false
  return verify('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: SIGNATURE_FORM }, bytes)
}

/** Whether the signature is that key's over exactly these bytes, of that type. */
export const sealedBy = (sealed: Sealed, type: SealType, publicKey: KeyObject): Promise<boolean> =>
  Promise.resolve(sealedCertificates(sealed, type) !== null && signatureFits(sealed, publicKey))
