import { sql } from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { AuthorityStore, readSetting, type Tx, writeSetting } from '../store/store.ts'
import { MIGRATION_LOCK_TABLE, MIGRATION_TABLE } from '../store/migrations/index.ts'
import { tablesForVersion } from './dump.ts'

/** In a PostgreSQL database from when it is filled until the data directory that goes with it is there. */
const RESTORE_MARKER_KEY = 'restore-under-way'

/**
 * Has a PostgreSQL database ready to be restored into. What a restore left there that was killed before its data directory was whole
 * is removed: nobody can have used it.
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
        throw new LicensingError('DATA_DIR_EXISTS', 'There is an authority in that database already.', {
          remedy: 'Restore into a database without tables.',
        })
    })
  } finally {
    await store.close()
  }
}

/** All of them: they may be newer than the backup is. */
async function dropTables(tx: Tx, version: number): Promise<void> {
  const names = tablesForVersion(version).map(({ name }) => name)
  for (const name of [...names.reverse(), MIGRATION_TABLE, MIGRATION_LOCK_TABLE])
    await sql`drop table ${sql.table(name)}`.execute(tx)
}

/** Notes that this database has no data directory yet. */
export const markRestoreStarted = (tx: Tx): Promise<void> => writeSetting(tx, RESTORE_MARKER_KEY, 'yes')

/** Notes that the data directory is there: from here on nobody restores into this database again. */
export async function markRestoreFinished(tx: Tx): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', RESTORE_MARKER_KEY).execute()
}
