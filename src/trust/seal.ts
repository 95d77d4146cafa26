import { type KeyObject, verify } from 'node:crypto'
import { decodeProtectedHeader, FlattenedSign, flattenedVerify } from 'jose'
import type { Sealed } from '../protocol/messages.ts'

/** What kind of message is signed: in the protected header, so that one cannot pass for another. */
export type SealType =
  'sla-request+jws' | 'sla-answer+jws' | 'sla-proof+jws' | 'sla-mandate+jws' | 'sla-trust-bundle+jws'

const ALGORITHM = 'ES256'

/** Certificates travel in `x5c` (RFC 7515 §4.1.6) as base64 DER. */
const toX5c = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')
const fromX5c = (der: string): string => `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`

/** Signs a payload. The certificates, leaf first, say whose the key is; a registration has none yet. */
export async function seal(
  payload: object,
  by: { type: SealType; privateKey: KeyObject; certificates?: readonly string[] },
): Promise<Sealed> {
  const header = { alg: ALGORITHM, typ: by.type, ...(by.certificates && { x5c: by.certificates.map(toX5c) }) }
  const jws = await new FlattenedSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader(header)
    .sign(by.privateKey)
  return { protected: jws.protected ?? '', payload: jws.payload, signature: jws.signature }
}

/** The certificates a sealed message names, leaf first: unchecked. Null when its header is not one of ours. */
export function sealedCertificates(sealed: Sealed, type: SealType): string[] | null {
  try {
    const header = decodeProtectedHeader(sealed)
    if (header.alg !== ALGORITHM || header.typ !== type) return null
    return (header.x5c ?? []).map(fromX5c)
  } catch {
    return null
  }
}

/** The payload as JSON, unchecked; undefined when it is none. For finding the key to check it by. */
export function peek(sealed: Sealed): unknown {
  try {
    return JSON.parse(Buffer.from(sealed.payload, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/** Whether the signature is that key's over exactly these bytes, of that type. */
export async function sealedBy(sealed: Sealed, type: SealType, publicKey: KeyObject): Promise<boolean> {
  if (sealedCertificates(sealed, type) === null) return false
  try {
    await flattenedVerify({ ...sealed }, publicKey, { algorithms: [ALGORITHM] })
    return true
  } catch {
    return false
  }
}

/** The same without a pause in it: ES256 over exactly these bytes, in the one spelling they have (RFC 7515 §5.2, RFC 7518 §3.4). */
export function signatureFits({ protected: head, payload, signature }: Sealed, key: KeyObject): boolean {
  const bytes = Buffer.from(signature, 'base64url')
  if (bytes.toString('base64url') !== signature) return false
  return verify('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: 'ieee-p1363' }, bytes)
}
