import { sql } from 'kysely'
import { pluralize } from '../../core/text.ts'
import type { Instant } from '../../core/time.ts'
import { logEvent } from '../events/event-log.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'

/** Ends all sessions, because users may have signed out since the backup or snapshot. */
export async function endSessions(tx: Tx): Promise<void> {
  await tx.deleteFrom('sessions').execute()
  await tx.deleteFrom('ticket_keys').execute()
}

/**
 * Starts a new epoch of a manager whose database went back without a restore. Does nothing if another process has
 * started it.
 *
 * @param provenEpoch epoch that the proof is from
 */
export async function startEpochAfterRevert(
  tx: Tx,
  credentials: Credentials,
  { at, provenEpoch }: { at: Instant; provenEpoch: number },
): Promise<void> {
  const { epoch } = credentials.keyRing.identity
  if (epoch > provenEpoch) return
  await endSessions(tx)
  const { tokensInReview, reservationsInReview } = await beginEpoch(tx, credentials, {
    at,
    epoch: provenEpoch + 1,
  })
  await logEvent(tx, {
    at,
    type: 'AUTHORITY_REVERTED',
    severity: 'major',
    message: `The database went back: it is older than what this authority has answered. Epoch ${provenEpoch + 1} began; ${describeReview(tokensInReview, reservationsInReview)}`,
  })
}

export const describeReview = (tokens: number, reservations: number): string =>
  `${pluralize(tokens, 'token')} and ${pluralize(reservations, 'reservation')} wait for review. Devices that registered since are added again on their next request, and wait for review.`

/** Puts tokens and reservations in review, because their changes since the backup or snapshot are not known. */
export async function beginEpoch(
  tx: Tx,
  credentials: Credentials,
  { at, epoch }: { at: Instant; epoch: number },
): Promise<{ tokensInReview: number; reservationsInReview: number }> {
  await credentials.keyRing.adopt(tx, { epoch })
  const tokens = await tx
    .updateTable('tokens')
    .set({ in_review: 1 })
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', at)
    .executeTakeFirst()
  const reservations = await tx
    .updateTable('reservations')
    .set({ in_review: 1 })
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  return {
    tokensInReview: Number(tokens.numUpdatedRows),
    reservationsInReview: Number(reservations.numUpdatedRows),
  }
}
