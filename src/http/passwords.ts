import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { PASSWORD_COST as COST } from './password-cost.ts'

const KEY_BYTES = 32
const MIN_LENGTH = 12
const MAX_LENGTH = 256

/** Long passwords of the usual lists of common passwords. */
const COMMON_PATTERN =
  /^(.)\1+$|^(password|passwort|qwertyuiop|administrator|smartlicens|letmein|welcome|changeme)/i
const SEQUENCES = ['0123456789012345', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiopasdfghjklzxcvbnm']

function derive(password: string, salt: Buffer, { N, r, p }: { N: number; r: number; p: number }) {
  return new Promise<Buffer>((resolve, reject) => {
    const options = { N, r, p, maxmem: 256 * N * r }
    scrypt(password.normalize('NFC'), salt, KEY_BYTES, options, (failure, key) => {
      if (failure) reject(failure)
      else resolve(key)
    })
  })
}

/** Hashes a password with scrypt. @returns `scrypt$N$r$p$salt$hash` */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

/** Verifies a password against a hash. Without a hash, takes the same time and returns false. */
export async function verifyPassword(password: string, hash: string | null): Promise<boolean> {
  const [, N, r, p, salt, stored] = (hash ?? '').split('$')
  if (salt === undefined || stored === undefined) {
    await derive(password, Buffer.alloc(16), COST)
    return false
  }
  const expected = Buffer.from(stored, 'base64url')
  const key = await derive(password, Buffer.from(salt, 'base64url'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  return key.length === expected.length && timingSafeEqual(key, expected)
}

/** @throws LicensingError PASSWORD_WEAK */
export function assertStrongPassword(password: string, name: string): void {
  const folded = password.toLowerCase()
  const why =
    password.length < MIN_LENGTH
      ? `it has fewer than ${MIN_LENGTH} characters`
      : password.length > MAX_LENGTH
        ? `it has more than ${MAX_LENGTH} characters`
        : name.length >= 4 && folded.includes(name.toLowerCase())
          ? 'it contains the name of the user'
          : COMMON_PATTERN.test(password) || SEQUENCES.some((sequence) => sequence.includes(folded))
            ? 'it is a common password'
            : null
  if (why !== null) throw new LicensingError('PASSWORD_WEAK', `The password cannot be used: ${why}.`)
}

/** Generates a one-time password of 100 bits, in groups that can be typed. */
export function generateOneTimePassword(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
  const text = Array.from(randomBytes(20), (byte) => alphabet[byte % alphabet.length]).join('')
  return text.replace(/(.{5})(?=.)/g, '$1-')
}
