import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from './sqlite.ts'

const golden = new URL('../golden/authority-1/', import.meta.url).pathname

/** Creates a data directory with the content of data version 1. */
export function createGoldenAuthority(directory: string): string {
  const dataDir = join(directory, 'version-1')
  mkdirSync(join(dataDir, 'keys'), { recursive: true, mode: 0o700 })
  for (const name of readdirSync(join(golden, 'keys')))
    writeFileSync(join(dataDir, 'keys', name), readFileSync(join(golden, 'keys', name)), { mode: 0o600 })
  const database = new Database(join(dataDir, 'authority.db'))
  database.exec(readFileSync(join(golden, 'authority.sql'), 'utf8'))
  database.close()
  return dataDir
}

/** Replaces the golden files by the data directory of an authority that is not running. */
export function writeGolden(dataDir: string): void {
  rmSync(golden, { recursive: true, force: true })
  mkdirSync(golden, { recursive: true })
  cpSync(join(dataDir, 'keys'), join(golden, 'keys'), { recursive: true })
  const database = new Database(join(dataDir, 'authority.db'), { readonly: true })
  const schema = database
    .prepare<[], { name: string; type: string; sql: string }>(
      "select name, type, sql from sqlite_master where name not like 'sqlite_%' and sql is not null order by rowid",
    )
    .all()
  const lines = schema.map(({ sql }) => `${sql.replaceAll(/\s+/g, ' ')};`)
  for (const { name } of schema.filter(({ type }) => type === 'table'))
    for (const row of database
      .prepare<[], Record<string, string | number | null>>(`select * from ${name}`)
      .all())
      lines.push(
        `insert into ${name} (${Object.keys(row).join(', ')}) values (${Object.values(row).map(toLiteral).join(', ')});`,
      )
  database.close()
  writeFileSync(join(golden, 'authority.sql'), `${lines.join('\n')}\n`)
}

const toLiteral = (value: string | number | null): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
