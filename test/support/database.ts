import { inject } from 'vitest'
import { newDatabase } from './postgres.ts'

/** Whether the authorities of the tests have their data in PostgreSQL. */
export const onPostgres = (): boolean => (inject('postgres') as string | undefined) !== undefined

/** Where a new authority keeps its data: in its directory, or in a PostgreSQL database where the tests are run on that. */
export async function someDatabase(): Promise<{ database?: string }> {
  const server = inject('postgres') as string | undefined
  return server === undefined ? {} : { database: await newDatabase(server) }
}
