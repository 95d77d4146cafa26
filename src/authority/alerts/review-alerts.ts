import { sql } from 'kysely'
import type { AlertDocument } from './alerts.ts'
import type { Account } from '../context/account-context.ts'
import type { Tx } from '../store/store.ts'

const nowhere = { instanceId: null, satellite: null, actionDue: null, severity: 'major' as const }

/** What waits to be looked at since the authority was restored (trust §9): until then it is held. */
export async function reviewAlerts(
  tx: Tx,
  account: Account,
  place: (virtualAccountId: string) => { virtualAccount: string; satellite: string | null } | undefined,
): Promise<AlertDocument[]> {
  const tokens = await tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts as va', 'va.id', 'tokens.virtual_account_id')
    .select(['tokens.id', 'tokens.virtual_account_id as place'])
    .where('va.account_id', '=', account.id)
    .where('tokens.in_review', '<>', 0)
    .where('tokens.revoked_at', 'is', null)
    .execute()
  const instances = await tx
    .selectFrom('instances')
    .select(['id', 'pid', 'serial', 'virtual_account_id as place'])
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .where('in_review', '=', 2)
    .execute()
  const reservations = await tx
    .selectFrom('reservations')
    .select(['id', 'pid', 'serial', 'virtual_account_id as place'])
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .where('in_review', '<>', 0)
    .execute()
  const placed = <T extends { place: string }>(rows: readonly T[]) =>
    rows.flatMap((row) => {
      const at = place(row.place)
      return at ? [{ ...row, virtualAccount: at.virtualAccount }] : []
    })
  return [
    ...placed(tokens).map(({ id, virtualAccount }): AlertDocument => ({
      ...nowhere,
      type: 'token-in-doubt',
      message: `Token ${id} registers nothing: how often it was used before the restore is not known.`,
      source: id,
      virtualAccount,
      actions: ['Revoke it and make another, or confirm it with `token confirm`.'],
    })),
    ...placed(instances).map(({ id, pid, serial, virtualAccount }): AlertDocument => ({
      ...nowhere,
      type: 'instance-in-review',
      message: `${pid}:${serial} registered before the restore, and was not in the backup.`,
      source: `${pid}:${serial}`,
      virtualAccount,
      instanceId: id,
      actions: ['Move it where it belongs and confirm it with `instance confirm`, or remove it.'],
    })),
    ...placed(reservations).map(({ id, pid, serial, virtualAccount }): AlertDocument => ({
      ...nowhere,
      type: 'reservation-in-doubt',
      message: `The reservation of ${pid}:${serial} may have been changed before the restore.`,
      source: `${pid}:${serial}`,
      virtualAccount,
      instanceId: id,
      actions: ['Compare it with what the box shows, and confirm it with `instance confirm`.'],
    })),
  ]
}
