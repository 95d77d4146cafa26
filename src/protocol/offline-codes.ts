import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Udi, udiSchema } from '../core/udi.ts'
import { toCanonicalJson } from './digest.ts'
import { decodeHumanCode, encodeHumanCode } from './human-code.ts'

/**
 * The codes of a reservation, which people carry by hand (guide, "License Reservation"): the request code goes from
 * the box to the authority, and so do the confirmation code and the return code. Version 1 of each.
 */
const VERSION = 1
const KINDS = { request: 1, confirmation: 2, return: 3 } as const
export type CodeKind = keyof typeof KINDS

/** A code by which a box proves, under the key it shares with the authority, what it has done. */
export type ProofKind = Exclude<CodeKind, 'request'>

/** X25519 public keys, in bytes. */
export const KEY_BYTES = 32
/** 80 bits (trust §11): nobody guesses one in the few attempts an authority allows. */
export const MAC_BYTES = 10
const CHECKSUM_BYTES = 4
const HINT_BYTES = 4
/** Requests of one box, and authorizations of one reservation: as many as the codes can count. */
export const MAX_REQUEST_NUMBER = 0xff_ffff
export const MAX_AUTHORIZATIONS = 0xffff

/** What a box asks for with a request code: who it is, which of its requests this is, and the key for this one. */
export interface ReservationRequest {
  readonly udi: Udi
  /** Counted by the box from 1: a canceled request has a number that never comes again. */
  readonly number: number
  /** X25519 public key, 32 bytes: of this request alone. */
  readonly deviceKey: Uint8Array
}

const toHeaderByte = (kind: CodeKind): number => (VERSION << 4) | KINDS[kind]
const formatCodeName = (kind: CodeKind): string => `${kind} code`

/** Over the whole code: what is no code at all does not become one by luck. */
const computeChecksum = (bytes: Uint8Array): Buffer =>
  createHash('sha256')
    .update('smart licensing request code')
    .update(bytes)
    .digest()
    .subarray(0, CHECKSUM_BYTES)

const createMalformedError = (kind: CodeKind, why: string) =>
  new LicensingError('CODE_MALFORMED', `The text given is not a ${formatCodeName(kind)}: ${why}.`)

/** Reads the signs, and says so when they are another kind of code. */
function decodeBytes(text: string, kind: CodeKind): Buffer {
  const bytes = Buffer.from(decodeHumanCode(text, formatCodeName(kind)))
  const head = bytes[0] ?? 0
  if (head >> 4 !== VERSION) throw createMalformedError(kind, 'it is of no version this program knows')
  if (head === toHeaderByte(kind)) return bytes
  const other = Object.entries(KINDS).find(([, number]) => number === (head & 15))?.[0]
  if (other === undefined) throw createMalformedError(kind, 'it is of no kind this program knows')
  throw new LicensingError(
    'CODE_OTHER_KIND',
    `A ${other} code was given where a ${formatCodeName(kind)} belongs.`,
  )
}

const encodeText = (text: string): Buffer =>
  Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')])

/** Writes a request as a code, in groups with a dash between. */
export function encodeRequestCode({ udi, number, deviceKey }: ReservationRequest): string {
  const body = Buffer.concat([
    Buffer.of(toHeaderByte('request'), (number >> 16) & 255, (number >> 8) & 255, number & 255),
    deviceKey,
    ...[udi.pid, udi.serial, udi.version].map(encodeText),
  ])
  return encodeHumanCode(Buffer.concat([body, computeChecksum(body)]))
}

/**
 * Reads a request code as a person typed or pasted it (R-SLR-7).
 *
 * @throws LicensingError CODE_MISTYPED, naming the groups; CODE_MALFORMED; CODE_OTHER_KIND
 */
export function decodeRequestCode(text: string): ReservationRequest {
  const bytes = decodeBytes(text, 'request')
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!computeChecksum(body).equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw createMalformedError('request', 'its end is missing or changed')
  const texts: string[] = []
  let at = 4 + KEY_BYTES
  for (let i = 0; i < 3; i++) {
    const length = body[at] ?? 0
    texts.push(body.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const [pid, serial, version] = texts
  const udi = udiSchema.safeParse({ pid, serial, version })
  if (at !== body.length || !udi.success) throw createMalformedError('request', 'it does not name a box')
  const number = body.readUIntBE(1, 3)
  if (number === 0) throw createMalformedError('request', 'it has no number')
  return { udi: udi.data, number, deviceKey: Uint8Array.from(body.subarray(4, 4 + KEY_BYTES)) }
}

/** What a box proves: that it has installed, or given up, one authorization of one reservation. */
export interface OfflineProof {
  readonly kind: ProofKind
  readonly udi: Pick<Udi, 'pid' | 'serial'>
  readonly reservationId: string
  readonly epoch: number
  readonly sequence: number
}

/** A proof as it was read: a hint of the reservation, the number of the authorization, and the MAC over all. */
export interface EncodedProof {
  readonly hint: string
  readonly sequence: number
  readonly mac: Uint8Array
}

/** The beginning of a reservation's id, as a code carries it: tells codes of different boxes apart. */
export const toReservationHint = (reservationId: string): string =>
  reservationId.replaceAll('-', '').slice(0, 2 * HINT_BYTES)

/** HMAC-SHA256 over the proof, cut to 80 bits (RFC 2104 §5), under the key that box and authority agreed on. */
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

/** Writes a confirmation or return code. */
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
 * Reads a confirmation or return code; whether it proves anything is for `proves` to say.
 *
 * @throws LicensingError CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
 */
export function decodeProofCode(kind: ProofKind, text: string): EncodedProof {
  const bytes = decodeBytes(text, kind)
  const start = 1 + HINT_BYTES + 2
  if (bytes.length !== start + MAC_BYTES) throw createMalformedError(kind, 'its end is missing or changed')
  return {
    hint: bytes.toString('hex', 1, 1 + HINT_BYTES),
    sequence: bytes.readUInt16BE(1 + HINT_BYTES),
    mac: Uint8Array.from(bytes.subarray(start)),
  }
}

/** Whether the code that was read is this proof, in time that does not depend on where they differ. */
export const verifyProof = (key: Uint8Array, written: EncodedProof, proof: OfflineProof): boolean =>
  written.hint === toReservationHint(proof.reservationId) &&
  written.sequence === proof.sequence &&
  timingSafeEqual(written.mac, computeMac(key, proof))
