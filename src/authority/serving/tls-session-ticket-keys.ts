import { randomBytes } from 'node:crypto'
import { DAY, type Instant } from '../../core/time.ts'
import type { Secrets } from '../keys/key-store.ts'
import type { Tx } from '../store/store.ts'

/** Bytes of a key for TLS session tickets in OpenSSL. */
const TICKET_KEY_BYTES = 48

/**
 * Returns the key of the day for TLS session tickets (RFC 5077, RFC 8446 §4.6.1). All processes of the authority share
 * it, so that a client can resume its session at any of them. The key of the day before is deleted, so its tickets
 * cannot be decrypted later.
 */
export async function getCurrentTicketKey(tx: Tx, secrets: Secrets, at: Instant): Promise<Buffer> {
  const day = Math.floor(at / DAY)
  const read = () =>
    tx.selectFrom('ticket_keys').select('encrypted_key').where('day', '=', day).executeTakeFirst()
  let row = await read()
  if (!row) {
    await tx.deleteFrom('ticket_keys').execute()
    row = { encrypted_key: secrets.encryptSecret(randomBytes(TICKET_KEY_BYTES).toString('base64url')) }
    await tx
      .insertInto('ticket_keys')
      .values({ day, ...row })
      .execute()
  }
  return Buffer.from(secrets.decryptSecret(row.encrypted_key), 'base64url')
}
