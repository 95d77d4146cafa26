import { sql } from 'kysely'
import type { Tx } from './store.ts'

/** The number of a satellite's last request to its manager: a setting, since every process of it counts on. */
export const SYNC_SEQUENCE_KEY = 'sync-sequence'

/** The exchange that will report a change made now: the next one. 0 at a manager, which reports to nobody. */
export const nextRevision = sql<number>`coalesce((select cast(value as integer) + 1 from settings where name = ${SYNC_SEQUENCE_KEY}), 0)`

/** Notes that an instance is not as it was last reported. */
export async function markInstanceChanged(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('instances').set({ revision: nextRevision }).where('id', '=', id).execute()
}

/** Notes that a reservation is not as it was last reported. */
export async function markReservationChanged(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('reservations').set({ revision: nextRevision }).where('id', '=', id).execute()
}

/** Notes that whatever is in a virtual account is not as it was last reported. */
export async function markVirtualAccountChanged(tx: Tx, virtualAccountId: string): Promise<void> {
  for (const table of ['instances', 'reservations'] as const)
    await tx
      .updateTable(table)
      .set({ revision: nextRevision })
      .where('virtual_account_id', '=', virtualAccountId)
      .where('status', '=', sql.lit('active'))
      .execute()
}

/** Notes that everything is to be reported as it is. */
export async function markAllChanged(tx: Tx): Promise<void> {
  for (const table of ['instances', 'reservations'] as const)
    await tx
      .updateTable(table)
      .set({ revision: nextRevision })
      .where('status', '=', sql.lit('active'))
      .execute()
}
