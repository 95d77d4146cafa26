import { randomBytes } from 'node:crypto'

const SERIAL_BYTES = 16

/** Random and positive, as RFC 5280 §4.1.2.2 asks: nobody can guess the next, and a restore repeats none. */
export function generateSerialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
