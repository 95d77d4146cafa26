import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL of the PostgreSQL server for the authorities of the tests. */
    postgres: string
  }
}

/** Starts one PostgreSQL server for a test project. Each authority gets its own database. */
export default async function setup(project: TestProject): Promise<() => void> {
  const server = await startPostgres()
  project.provide('postgres', server.url)
  return () => {
    server.stop()
  }
}
