import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Udi, udiSchema } from '../core/udi.ts'
import { toCanonicalJson } from './digest.ts'
import { decodeHumanCode, encodeHumanCode } from './human-code.ts'

/**
 * Version of the reservation codes (guide, "License Reservation"). Users carry the request code, the confirmation code
 * and the return code from the device to the authority.
 */
const VERSION = 1
const KINDS = { request: 1, confirmation: 2, return: 3 } as const
export type CodeKind = keyof typeof KINDS

/** Kind of a code by which a device proves an operation with the key that it shares with the authority. */
export type ProofKind = Exclude<CodeKind, 'request'>

/** Length of an X25519 public key. */
export const KEY_BYTES = 32
/** 80 bits, which cannot be guessed in the few attempts that an authority allows. */
export const MAC_BYTES = 10
const CHECKSUM_BYTES = 4
const HINT_BYTES = 4
/** Highest counter values that the codes can hold: three bytes for requests, two for authorizations. */
export const MAX_REQUEST_NUMBER = 0xff_ffff
export const MAX_AUTHORIZATIONS = 0xffff

/** Content of a request code. */
export interface ReservationRequest {
  readonly udi: Udi
  /** Counted by the device from 1. The number of a canceled request is never reused. */
  readonly number: number
  /** X25519 public key of this request alone, 32 bytes. */
  readonly deviceKey: Uint8Array
}

const toHeaderByte = (kind: CodeKind): number => (VERSION << 4) | KINDS[kind]
const formatCodeName = (kind: CodeKind): string => `${kind} code`

/** Computes a checksum of the whole code, so that arbitrary text is not accepted by chance. */
const computeChecksum = (bytes: Uint8Array): Buffer =>
  createHash('sha256')
    .update('smart licensing request code')
    .update(bytes)
    .digest()
    .subarray(0, CHECKSUM_BYTES)

const createMalformedError = (kind: CodeKind, why: string) =>
  new LicensingError('CODE_MALFORMED', `The text given is not a ${formatCodeName(kind)}: ${why}.`)

/** Decodes a code and checks its version and kind. */
function decodeBytes(text: string, kind: CodeKind): Buffer {
  const bytes = Buffer.from(decodeHumanCode(text, formatCodeName(kind)))
  const head = bytes[0] ?? 0
  if (head >> 4 !== VERSION) throw createMalformedError(kind, 'this program does not support its version')
  if (head === toHeaderByte(kind)) return bytes
  const other = Object.entries(KINDS).find(([, number]) => number === (head & 15))?.[0]
  if (other === undefined) throw createMalformedError(kind, 'this program does not support its kind')
  throw new LicensingError(
    'CODE_OTHER_KIND',
    `The text given is a ${other} code, not a ${formatCodeName(kind)}.`,
  )
}

const encodeText = (text: string): Buffer =>
  Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')])

export function encodeRequestCode({ udi, number, deviceKey }: ReservationRequest): string {
  const body = Buffer.concat([
    Buffer.of(toHeaderByte('request'), (number >> 16) & 255, (number >> 8) & 255, number & 255),
    deviceKey,
    ...[udi.pid, udi.serial, udi.version].map(encodeText),
  ])
  return encodeHumanCode(Buffer.concat([body, computeChecksum(body)]))
}

/**
 * Decodes a request code that a user typed or pasted (R-SLR-7).
 *
 * @throws LicensingError CODE_MISTYPED, naming the groups; CODE_MALFORMED; CODE_OTHER_KIND
 */
export function decodeRequestCode(text: string): ReservationRequest {
  const bytes = decodeBytes(text, 'request')
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!computeChecksum(body).equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw createMalformedError('request', 'its end is missing or was changed')
  const texts: string[] = []
  let at = 4 + KEY_BYTES
  for (let i = 0; i < 3; i++) {
    const length = body[at] ?? 0
    texts.push(body.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const [pid, serial, version] = texts
  const udi = udiSchema.safeParse({ pid, serial, version })
  if (at !== body.length || !udi.success) throw createMalformedError('request', 'it does not name a device')
  const number = body.readUIntBE(1, 3)
  if (number === 0) throw createMalformedError('request', 'its request number is 0')
  return { udi: udi.data, number, deviceKey: Uint8Array.from(body.subarray(4, 4 + KEY_BYTES)) }
}

/** Proof that a device has installed or returned one authorization of one reservation. */
export interface OfflineProof {
  readonly kind: ProofKind
  readonly udi: Pick<Udi, 'pid' | 'serial'>
  readonly reservationId: string
  readonly epoch: number
  readonly sequence: number
}

/** Decoded proof: a hint of the reservation, the number of the authorization, and the MAC. */
export interface EncodedProof {
  readonly hint: string
  readonly sequence: number
  readonly mac: Uint8Array
}

/** Returns the beginning of a reservation's id, which distinguishes the codes of different devices. */
export const toReservationHint = (reservationId: string): string =>
  reservationId.replaceAll('-', '').slice(0, 2 * HINT_BYTES)

/** Computes HMAC-SHA256 over the proof with the shared key, truncated to 80 bits (RFC 2104 §5). */
function computeMac(key: Uint8Array, { kind, udi, reservationId, epoch, sequence }: OfflineProof): Buffer {
  const { pid, serial } = udi
  const text = toCanonicalJson({
    use: `${kind} code ${VERSION}`,
    pid,
    serial,
    reservationId,
    epoch,
    sequence,
  })
  return createHmac('sha256', key).update(text).digest().subarray(0, MAC_BYTES)
}

/** Encodes a confirmation or return code. */
export function encodeProofCode(key: Uint8Array, proof: OfflineProof): string {
  const { kind, reservationId, sequence } = proof
  return encodeHumanCode(
    Buffer.concat([
      Buffer.of(toHeaderByte(kind)),
      Buffer.from(toReservationHint(reservationId), 'hex'),
      Buffer.of((sequence >> 8) & 255, sequence & 255),
      computeMac(key, proof),
    ]),
  )
}

/**
 * Decodes a confirmation or return code without verifying it; see `verifyProof`.
 *
 * @throws LicensingError CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
 */
export function decodeProofCode(kind: ProofKind, text: string): EncodedProof {
  const bytes = decodeBytes(text, kind)
  const start = 1 + HINT_BYTES + 2
  if (bytes.length !== start + MAC_BYTES)
    throw createMalformedError(kind, 'its end is missing or was changed')
  return {
    hint: bytes.toString('hex', 1, 1 + HINT_BYTES),
    sequence: bytes.readUInt16BE(1 + HINT_BYTES),
    mac: Uint8Array.from(bytes.subarray(start)),
  }
}

/** Verifies a decoded code against the expected proof in constant time. */
export const verifyProof = (key: Uint8Array, written: EncodedProof, proof: OfflineProof): boolean =>
  written.hint === toReservationHint(proof.reservationId) &&
  written.sequence === proof.sequence &&
  timingSafeEqual(written.mac, computeMac(key, proof))
