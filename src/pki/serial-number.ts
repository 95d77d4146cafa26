import { randomBytes } from 'node:crypto'

const SERIAL_BYTES = 16

/** Generates a positive random number (RFC 5280 §4.1.2.2), which is unpredictable and not repeated after a restore. */
export function generateSerialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
