import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from '../../src/storage/sqlite.ts'

const golden = new URL('../golden/', import.meta.url).pathname

/** The versions of an authority's database that there were. */
export const AUTHORITY_VERSIONS = readdirSync(golden).flatMap(
  (name) => /^authority-(\d+)$/.exec(name)?.[1] ?? [],
)

/** A data directory as an authority of a version before has left it. */
export function layAuthority(directory: string, version: string): string {
  const dataDir = join(directory, `old-${version}`)
  mkdirSync(join(dataDir, 'keys'), { recursive: true, mode: 0o700 })
  const keys = join(golden, `authority-${version}`, 'keys')
  for (const name of readdirSync(keys))
    writeFileSync(join(dataDir, 'keys', name), readFileSync(join(keys, name)), { mode: 0o600 })
  const database = new Database(join(dataDir, 'authority.db'))
  database.exec(readFileSync(join(golden, `authority-${version}`, 'authority.sql'), 'utf8'))
  database.close()
  return dataDir
}

/**
 * Puts the store of a box back to what a version before has written: facts of that version with what they held then, and none of
 * the tables that came later.
 */
export function putBackBox(dataDir: string, version: number): void {
  const database = new Database(join(dataDir, 'agent.db'))
  const facts = database
    .prepare<[], { json: string }>(`select json from documents where name = 'facts'`)
    .get()
  const then = readFacts(join(golden, `facts-${version}`, 'registered.json'))
  const now = JSON.parse(facts?.json ?? '') as Facts
  const context = Object.fromEntries(
    Object.entries(now.position.context).filter(([key]) => key in then.position.context),
  )
  const old: Facts = { version, position: { value: now.position.value, context } }
  database.prepare(`update documents set json = ? where name = 'facts'`).run(JSON.stringify(old))
  const tables = database
    .prepare<[], { name: string }>(`select name from sqlite_master where type = 'table'`)
    .all()
  const later = tables.filter(
    ({ name }) => !['documents', 'commands', 'history', 'sqlite_sequence'].includes(name),
  )
  database.pragma('foreign_keys = OFF')
  for (const { name } of later) database.exec(`drop table ${name}`)
  database.close()
}

interface Facts {
  readonly version: number
  readonly position: { readonly value: unknown; readonly context: Readonly<Record<string, unknown>> }
}
const readFacts = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Facts
