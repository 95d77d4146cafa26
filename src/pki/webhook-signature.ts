import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { LicensingError } from '../core/errors.ts'
import { type Instant, SECOND } from '../core/time.ts'

/** Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const SECRET_PREFIX = 'whsec_'
const SECRET_BYTES = { generated: 32, min: 24, max: 64 } as const

/** Generates a secret for signing webhook messages. */
export const generateWebhookSecret = (): string =>
  SECRET_PREFIX + randomBytes(SECRET_BYTES.generated).toString('base64')

/**
 * Validates a secret that an administrator supplies: `whsec_` and the base64 of 24 to 64 bytes.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function checkWebhookSecret(text: string): string {
  const secret = text.trim()
  const key = secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
    : null
  if (
    key === null ||
    key.length < SECRET_BYTES.min ||
    key.length > SECRET_BYTES.max ||
    key.toString('base64') !== secret.slice(SECRET_PREFIX.length)
  )
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The webhook secret is not ${SECRET_PREFIX} followed by the base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes.`,
    )
  return secret
}

/**
 * Creates the headers of a message: its id, its time, and one signature by each valid secret.
 */
export function createWebhookHeaders(
  message: { readonly id: string; readonly body: string; readonly at: Instant },
  secrets: readonly string[],
): Record<string, string> {
  const { id, body, at } = message
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at / SECOND)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, new Date(at), body)).join(' '),
  }
}
