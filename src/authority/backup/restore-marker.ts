import { sql } from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { AuthorityStore, readSetting, type Tx, writeSetting } from '../store/store.ts'
import { MIGRATION_LOCK_TABLE, MIGRATION_TABLE } from '../store/migrations/index.ts'
import { tablesForVersion } from './dump.ts'

/** Setting in a PostgreSQL database while its data directory is incomplete. */
const RESTORE_MARKER_KEY = 'restore-under-way'

/**
 * Prepares a PostgreSQL database for a restore. The tables of an interrupted restore are dropped: without a complete
 * data directory no authority can have used them.
 *
 * @throws LicensingError DATA_DIR_EXISTS, STORE_TOO_NEW, DATA_VERSION_UNSUPPORTED, DATABASE_*
 */
export async function dropPartialRestore(dataDir: string, database: string): Promise<void> {
  const store = await AuthorityStore.open(dataDir, database, 0)
  try {
    const version = await store.version()
    if (version === 0) return
    await store.transaction(async (tx) => {
      if ((await readSetting(tx, RESTORE_MARKER_KEY)) !== null) return dropTables(tx, version)
      if (await tx.selectFrom('settings').select('name').executeTakeFirst())
        throw new LicensingError('DATA_DIR_EXISTS', 'The database already has an authority.', {
          remedy: 'Restore into a database without tables.',
        })
    })
  } finally {
    await store.close()
  }
}

/** Drops all tables of a version, which may be newer than the backup. */
async function dropTables(tx: Tx, version: number): Promise<void> {
  const names = tablesForVersion(version).map(({ name }) => name)
  for (const name of [...names.reverse(), MIGRATION_TABLE, MIGRATION_LOCK_TABLE])
    await sql`drop table ${sql.table(name)}`.execute(tx)
}

/** Sets the marker: this database has no data directory yet. */
export const markRestoreStarted = (tx: Tx): Promise<void> => writeSetting(tx, RESTORE_MARKER_KEY, 'yes')

/** Removes the marker: the data directory is complete, and further restores into this database are refused. */
export async function markRestoreFinished(tx: Tx): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', RESTORE_MARKER_KEY).execute()
}
