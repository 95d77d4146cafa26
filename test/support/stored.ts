import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { saveDatabaseUrl } from '../../src/authority/store/store.ts'
import { Database } from './sqlite.ts'
import { createDatabase, getPostgresProgram } from './postgres.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

export type Value = string | number | null
export type Row = Record<string, Value>

/** Direct access to the database of an authority. */
export interface StoredDatabase {
  /** Runs a statement with `?` placeholders and returns its rows. */
  run(statement: string, ...values: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

const getSqliteFile = (dataDir: string) => join(dataDir, 'authority.db')
const readDatabaseUrl = (dataDir: string) => readFileSync(join(dataDir, 'database.url'), 'utf8').trim()

/** Opens the SQLite or PostgreSQL database of the authority in a data directory. */
export async function openStored(dataDir: string): Promise<StoredDatabase> {
  if (existsSync(getSqliteFile(dataDir))) return openStoredFile(getSqliteFile(dataDir))
  const numbers = new pg.TypeOverrides()
  numbers.setTypeParser(pg.types.builtins.INT8, Number)
  const client = new pg.Client({ connectionString: readDatabaseUrl(dataDir), types: numbers })
  await client.connect()
  return {
    run: async (statement, ...values) => {
      let number = 0
      const text = statement.replaceAll('?', () => `$${++number}`)
      return (await client.query<Row>(text, values)).rows
    },
    close: () => client.end(),
  }
}

function openStoredFile(file: string): StoredDatabase {
  const database = new Database(file)
  return {
    run: (statement, ...values) => {
      const prepared = database.prepare(statement)
      if (prepared.reader) return Promise.resolve(prepared.all(...values) as Row[])
      prepared.run(...values)
      return Promise.resolve([])
    },
    close: () => Promise.resolve(void database.close()),
  }
}

/** Opens the database of an authority, runs one statement, and returns its rows. */
export async function runStored(dataDir: string, statement: string, ...values: unknown[]): Promise<Row[]> {
  const stored = await openStored(dataDir)
  try {
    return await stored.run(statement, ...values)
  } finally {
    await stored.close()
  }
}

/** Reads a setting of an authority synchronously. */
export function readStoredSetting(dataDir: string, name: string): string {
  if (!existsSync(getSqliteFile(dataDir)))
    return execFileSync(
      getPostgresProgram('psql'),
      ['-AtX', '-v', `name=${name}`, readDatabaseUrl(dataDir)],
      {
        input: "select value from settings where name = :'name'",
        encoding: 'utf8',
      },
    ).trimEnd()
  const database = new Database(getSqliteFile(dataDir), { readonly: true })
  try {
    const row = database.prepare('select value from settings where name = ?').get(name) as { value: string }
    return row.value
  } finally {
    database.close()
  }
}

/** Lists the tables of an authority, without those of the migrator. */
export async function listStoredTables(dataDir: string): Promise<string[]> {
  const rows = await runStored(
    dataDir,
    existsSync(getSqliteFile(dataDir))
      ? "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
      : "select tablename as name from pg_tables where schemaname = 'public'",
  )
  return rows
    .map(({ name }) => String(name))
    .filter((name) => !name.startsWith('schema_migrations'))
    .sort()
}

/** Returns the whole database of an authority as text, to search for secrets in it. */
export function readAllStored(dataDir: string): string {
  if (existsSync(getSqliteFile(dataDir)))
    return ['', '-wal']
      .map((end) => `${getSqliteFile(dataDir)}${end}`)
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'latin1'))
      .join('')
  return execFileSync(getPostgresProgram('pg_dump'), [readDatabaseUrl(dataDir)], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
}

/** Copies the data directory and database of an authority that is not running, as a machine snapshot does. */
export async function copyStored(from: string, to: string): Promise<void> {
  copyDirectory(from, to)
  if (existsSync(getSqliteFile(from))) return
  const url = await createDatabase(readDatabaseUrl(from))
  const dump = execFileSync(getPostgresProgram('pg_dump'), [readDatabaseUrl(from)], { maxBuffer: 1 << 28 })
  execFileSync(getPostgresProgram('psql'), ['-q', '-v', 'ON_ERROR_STOP=1', url], {
    input: dump,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  saveDatabaseUrl(to, url)
}
