import { loadDatabase } from '../../src/storage/sqlite.ts'

/** Class of better-sqlite3 that this version of Node can load, for reading the databases of a test. */
export const Database = await loadDatabase()
