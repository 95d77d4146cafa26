import { sql } from 'kysely'
import type { Tx } from './store.ts'

/** Setting with the number of a satellite's last request to its manager. All processes share it. */
export const SYNC_SEQUENCE_KEY = 'sync-sequence'

/** The exchange that will report a change made now. It is 0 at a manager. */
export const nextRevision = sql<number>`coalesce((select cast(value as integer) + 1 from settings where name = ${SYNC_SEQUENCE_KEY}), 0)`

/** Marks an instance as changed since the last report. */
export async function markInstanceChanged(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('instances').set({ revision: nextRevision }).where('id', '=', id).execute()
}

/** Marks a reservation as changed since the last report. */
export async function markReservationChanged(tx: Tx, id: string): Promise<void> {
  await tx.updateTable('reservations').set({ revision: nextRevision }).where('id', '=', id).execute()
}

/** Marks the active instances and reservations of a virtual account as changed since the last report. */
export async function markVirtualAccountChanged(tx: Tx, virtualAccountId: string): Promise<void> {
  for (const table of ['instances', 'reservations'] as const)
    await tx
      .updateTable(table)
      .set({ revision: nextRevision })
      .where('virtual_account_id', '=', virtualAccountId)
      .where('status', '=', sql.lit('active'))
      .execute()
}

/** Marks all active instances and reservations as changed since the last report. */
export async function markAllChanged(tx: Tx): Promise<void> {
  for (const table of ['instances', 'reservations'] as const)
    await tx
      .updateTable(table)
      .set({ revision: nextRevision })
      .where('status', '=', sql.lit('active'))
      .execute()
}
