import { sql } from 'kysely'
import type { AlertDocument } from './alerts.ts'
import type { Account } from '../context/account-context.ts'
import type { Tx } from '../store/store.ts'

const ALERT_DEFAULTS = { instanceId: null, satellite: null, actionDue: null, severity: 'major' as const }

/**
 * Returns an alert for each token and reservation that waits for review after a restore (see `docs/security.md`). The
 * object is on hold until its review. A stream has the alerts of product instances.
 */
export async function readReviewAlerts(
  tx: Tx,
  account: Account,
  findLocation: (
    virtualAccountId: string,
  ) => { virtualAccount: string; satellite: string | null } | undefined,
): Promise<AlertDocument[]> {
  const tokens = await tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts as va', 'va.id', 'tokens.virtual_account_id')
    .select(['tokens.id', 'tokens.virtual_account_id as accountId'])
    .where('va.account_id', '=', account.id)
    .where('tokens.in_review', '<>', 0)
    .where('tokens.revoked_at', 'is', null)
    .execute()
  const reservations = await tx
    .selectFrom('reservations')
    .select(['id', 'pid', 'serial', 'virtual_account_id as accountId'])
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .where('in_review', '<>', 0)
    .execute()
  const addAccountNames = <T extends { accountId: string }>(rows: readonly T[]) =>
    rows.flatMap((row) => {
      const at = findLocation(row.accountId)
      return at ? [{ ...row, virtualAccount: at.virtualAccount }] : []
    })
  return [
    ...addAccountNames(tokens).map(({ id, virtualAccount }): AlertDocument => ({
      ...ALERT_DEFAULTS,
      type: 'token-in-doubt',
      message: `Token ${id} is on hold: the number of its uses before the restore is not known.`,
      source: id,
      virtualAccount,
      actions: ['Revoke the token and create another, or confirm it with `token review`.'],
    })),
    ...addAccountNames(reservations).map(({ id, pid, serial, virtualAccount }): AlertDocument => ({
      ...ALERT_DEFAULTS,
      type: 'reservation-in-doubt',
      message: `The reservation of ${pid}:${serial} may have been changed before the restore.`,
      source: `${pid}:${serial}`,
      virtualAccount,
      instanceId: id,
      actions: [
        'Compare the reservation with the one the device shows, and confirm it with `instance review`.',
      ],
    })),
  ]
}
