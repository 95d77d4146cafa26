import { inject } from 'vitest'
import { createDatabase } from './postgres.ts'

/** Whether the authorities of the tests have their data in PostgreSQL. */
export const usesPostgres = (): boolean => (inject('postgres') as string | undefined) !== undefined

/** Where a new authority keeps its data: in its directory, or in a PostgreSQL database where the tests are run on that. */
export async function createDatabaseOptions(): Promise<{ database?: string }> {
  const server = inject('postgres') as string | undefined
  return server === undefined ? {} : { database: await createDatabase(server) }
}
