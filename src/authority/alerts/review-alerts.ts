import { sql } from 'kysely'
import type { AlertDocument } from './alerts.ts'
import type { Account } from '../context/account-context.ts'
import type { Tx } from '../store/store.ts'

const ALERT_DEFAULTS = { instanceId: null, satellite: null, actionDue: null, severity: 'major' as const }

/** What waits to be looked at since the authority was restored (trust §9): until then it is held. */
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
  const instances = await tx
    .selectFrom('instances')
    .select(['id', 'pid', 'serial', 'virtual_account_id as accountId'])
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .where('in_review', '=', 2)
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
      message: `Token ${id} registers nothing: how often it was used before the restore is not known.`,
      source: id,
      virtualAccount,
      actions: ['Revoke it and make another, or confirm it with `token review`.'],
    })),
    ...addAccountNames(instances).map(({ id, pid, serial, virtualAccount }): AlertDocument => ({
      ...ALERT_DEFAULTS,
      type: 'instance-in-review',
      message: `${pid}:${serial} registered before the restore, and was not in the backup.`,
      source: `${pid}:${serial}`,
      virtualAccount,
      instanceId: id,
      actions: ['Move it where it belongs and confirm it with `instance review`, or remove it.'],
    })),
    ...addAccountNames(reservations).map(({ id, pid, serial, virtualAccount }): AlertDocument => ({
      ...ALERT_DEFAULTS,
      type: 'reservation-in-doubt',
      message: `The reservation of ${pid}:${serial} may have been changed before the restore.`,
      source: `${pid}:${serial}`,
      virtualAccount,
      instanceId: id,
      actions: ['Compare it with what the box shows, and confirm it with `instance review`.'],
    })),
  ]
}
