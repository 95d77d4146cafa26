import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { type Udi, udiSchema } from '../core/udi.ts'
import { canonical } from './digest.ts'
import { readCode, writeCode } from './human-code.ts'

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
export const MOST_REQUESTS = 0xff_ffff
export const MOST_AUTHORIZATIONS = 0xffff

/** What a box asks for with a request code: who it is, which of its requests this is, and the key for this one. */
export interface ReservationRequest {
  readonly udi: Udi
  /** Counted by the box from 1: a cancelled request has a number that never comes again. */
  readonly number: number
  /** X25519 public key, 32 bytes: of this request alone. */
  readonly boxKey: Uint8Array
}

const headOf = (kind: CodeKind): number => (VERSION << 4) | KINDS[kind]
const nameOf = (kind: CodeKind): string => `${kind} code`

/** Over the whole code: what is no code at all does not become one by luck. */
const checksumOf = (bytes: Uint8Array): Buffer =>
  createHash('sha256')
    .update('smart licensing request code')
    .update(bytes)
    .digest()
    .subarray(0, CHECKSUM_BYTES)

const malformed = (kind: CodeKind, why: string) =>
  new LicensingError('CODE_MALFORMED', `The text given is not a ${nameOf(kind)}: ${why}.`)

/** Reads the signs, and says so when they are another kind of code. */
function bytesOf(text: string, kind: CodeKind): Buffer {
  const bytes = Buffer.from(readCode(text, nameOf(kind)))
  const head = bytes[0] ?? 0
  if (head >> 4 !== VERSION) throw malformed(kind, 'it is of no version this program knows')
  if (head === headOf(kind)) return bytes
  const other = Object.entries(KINDS).find(([, number]) => number === (head & 15))?.[0]
  if (other === undefined) throw malformed(kind, 'it is of no kind this program knows')
  throw new LicensingError('CODE_OTHER_KIND', `A ${other} code was given where a ${nameOf(kind)} belongs.`)
}

const lengthAndText = (text: string): Buffer =>
  Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')])

/** Writes a request as a code, in groups with a dash between. */
export function writeRequestCode({ udi, number, boxKey }: ReservationRequest): string {
  const body = Buffer.concat([
    Buffer.of(headOf('request'), (number >> 16) & 255, (number >> 8) & 255, number & 255),
    boxKey,
    ...[udi.pid, udi.serial, udi.version].map(lengthAndText),
  ])
  return writeCode(Buffer.concat([body, checksumOf(body)]))
}

/**
 * Reads a request code as a person typed or pasted it (R-SLR-7).
 *
 * @throws LicensingError CODE_MISTYPED, naming the groups; CODE_MALFORMED; CODE_OTHER_KIND
 */
export function readRequestCode(text: string): ReservationRequest {
  const bytes = bytesOf(text, 'request')
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!checksumOf(body).equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw malformed('request', 'its end is missing or changed')
  const texts: string[] = []
  let at = 4 + KEY_BYTES
  for (let i = 0; i < 3; i++) {
    const length = body[at] ?? 0
    texts.push(body.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const [pid, serial, version] = texts
  const udi = udiSchema.safeParse({ pid, serial, version })
  if (at !== body.length || !udi.success) throw malformed('request', 'it does not name a box')
  const number = body.readUIntBE(1, 3)
  if (number === 0) throw malformed('request', 'it has no number')
  return { udi: udi.data, number, boxKey: Uint8Array.from(body.subarray(4, 4 + KEY_BYTES)) }
}

/** What a box proves: that it has installed, or given up, one authorization of one reservation. */
export interface Proof {
  readonly kind: ProofKind
  readonly udi: Pick<Udi, 'pid' | 'serial'>
  readonly reservationId: string
  readonly epoch: number
  readonly sequence: number
}

/** A proof as it was read: a hint of the reservation, the number of the authorization, and the MAC over all. */
export interface WrittenProof {
  readonly hint: string
  readonly sequence: number
  readonly mac: Uint8Array
}

/** The beginning of a reservation's id, as a code carries it: tells codes of different boxes apart. */
export const hintOf = (reservationId: string): string =>
  reservationId.replaceAll('-', '').slice(0, 2 * HINT_BYTES)

/** HMAC-SHA256 over the proof, cut to 80 bits (RFC 2104 §5), under the key that box and authority agreed on. */
function macOf(key: Uint8Array, { kind, udi, reservationId, epoch, sequence }: Proof): Buffer {
  const { pid, serial } = udi
  const text = canonical({ use: `${kind} code ${VERSION}`, pid, serial, reservationId, epoch, sequence })
  return createHmac('sha256', key).update(text).digest().subarray(0, MAC_BYTES)
}

/** Writes a confirmation or return code. */
export function writeProofCode(key: Uint8Array, proof: Proof): string {
  const { kind, reservationId, sequence } = proof
  return writeCode(
    Buffer.concat([
      Buffer.of(headOf(kind)),
      Buffer.from(hintOf(reservationId), 'hex'),
      Buffer.of((sequence >> 8) & 255, sequence & 255),
      macOf(key, proof),
    ]),
  )
}

/**
 * Reads a confirmation or return code; whether it proves anything is for `proves` to say.
 *
 * @throws LicensingError CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
 */
export function readProofCode(kind: ProofKind, text: string): WrittenProof {
  const bytes = bytesOf(text, kind)
  const start = 1 + HINT_BYTES + 2
  if (bytes.length !== start + MAC_BYTES) throw malformed(kind, 'its end is missing or changed')
  return {
    hint: bytes.toString('hex', 1, 1 + HINT_BYTES),
    sequence: bytes.readUInt16BE(1 + HINT_BYTES),
    mac: Uint8Array.from(bytes.subarray(start)),
  }
}

/** Whether the code that was read is this proof, in time that does not depend on where they differ. */
export const proves = (key: Uint8Array, written: WrittenProof, proof: Proof): boolean =>
  written.hint === hintOf(proof.reservationId) &&
  written.sequence === proof.sequence &&
  timingSafeEqual(written.mac, macOf(key, proof))
