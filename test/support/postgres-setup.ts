import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The PostgreSQL server that authorities of the tests keep their data in. */
    postgres: string
  }
}

/** One server for all test files of a project, each authority of theirs with a database of its own. */
export default async function setup(project: TestProject): Promise<() => void> {
  const server = await startPostgres()
  project.provide('postgres', server.url)
  return () => {
    server.stop()
  }
}
