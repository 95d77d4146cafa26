import { inject } from 'vitest'
import { createDatabase } from './postgres.ts'

/** Returns whether the tests run with PostgreSQL instead of SQLite. */
export const usesPostgres = (): boolean => (inject('postgres') as string | undefined) !== undefined

/** Returns the database option of a new authority: a new PostgreSQL database, or none for SQLite. */
export async function createDatabaseOptions(): Promise<{ database?: string }> {
  const server = inject('postgres') as string | undefined
  return server === undefined ? {} : { database: await createDatabase(server) }
}
