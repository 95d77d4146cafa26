import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const IV_BYTES = 12
const GCM_TAG_BYTES = 16

/** Generates the key for secrets in a database: base64url, for a file of mode 0600. */
export const generateSecretKey = (): string => randomBytes(32).toString('base64url')

/** Encrypts a secret with AES-256-GCM. The key must be stored apart from the result. */
export function encryptSecret(secret: string, key: string): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'base64url'), iv)
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url')
}

/** @throws Error if the secret was encrypted with another key or was changed */
export function decryptSecret(stored: string, key: string): string {
  const bytes = Buffer.from(stored, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'base64url'), bytes.subarray(0, IV_BYTES))
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + GCM_TAG_BYTES))
  return Buffer.concat([
    decipher.update(bytes.subarray(IV_BYTES + GCM_TAG_BYTES)),
    decipher.final(),
  ]).toString('utf8')
}
