import { type RawBuilder, sql } from 'kysely'
import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { MIGRATIONS } from '../store/migrations/index.ts'
import type { Tx } from '../store/store.ts'

/** Rows in one read and one insert. The widest table stays below the parameter limit of a statement. */
const BATCH_SIZE = 200

const valueSchema = z.union([z.string(), z.number(), z.null()])
const nameSchema = z.string().regex(/^[a-z][a-z0-9_]*$/)

/** Schema of a batch of rows of one table: a line of a backup. */
export const rowsSchema = z.object({
  table: nameSchema,
  columns: z.array(nameSchema).min(1),
  rows: z.array(z.array(valueSchema)).min(1).max(BATCH_SIZE),
})
export type RowBatch = z.infer<typeof rowsSchema>

/** A table as the migrations create it. */
interface Table {
  readonly name: string
  /** Columns that order the rows; empty for a table without a primary key. */
  readonly key: readonly string[]
  readonly references: Set<string>
  /** True where the database numbers the rows. */
  readonly numbered: boolean
}

/**
 * Returns the tables after a number of migrations, each after the tables it refers to. The list is read from the
 * migrations, so that no table is forgotten.
 */
export function tablesForVersion(version: number): readonly Table[] {
  const tables = new Map<string, Table>()
  for (const statement of MIGRATIONS.slice(0, version).flatMap(({ statements }) => statements)) {
    const [, dropped] = /^drop table (\w+)/.exec(statement) ?? []
    if (dropped !== undefined) tables.delete(dropped)
    const [, made] = /^create table (\w+)/.exec(statement) ?? []
    const [, altered] = /^alter table (\w+) add column/.exec(statement) ?? []
    const references = [...statement.matchAll(/\breferences (\w+)/g)].map(([, name = '']) => name)
    if (made !== undefined)
      tables.set(made, {
        name: made,
        key: parsePrimaryKey(statement),
        references: new Set(references.filter((name) => name !== made)),
        numbered: statement.includes('autoincrement'),
      })
    if (altered !== undefined) for (const name of references) tables.get(altered)?.references.add(name)
  }
  return sortByReference([...tables.values()])
}

function parsePrimaryKey(statement: string): readonly string[] {
  const [, several] = /primary key \(([^)]+)\)/.exec(statement) ?? []
  if (several !== undefined) return several.split(',').map((name) => name.trim())
  const [, one] = /(\w+) \w+ primary key/.exec(statement) ?? []
  return one === undefined ? [] : [one]
}

function sortByReference(tables: readonly Table[]): readonly Table[] {
  const done = new Set<string>()
  const ordered: Table[] = []
  while (ordered.length < tables.length) {
    const next = tables.find(
      ({ name, references }) => !done.has(name) && [...references].every((one) => done.has(one)),
    )
    if (!next) throw new TypeError('the references between tables form a cycle')
    done.add(next.name)
    ordered.push(next)
  }
  return ordered
}

export async function* dumpRows(tx: Tx, version: number): AsyncGenerator<RowBatch> {
  for (const table of tablesForVersion(version)) yield* dumpTable(tx, table)
}

type Row = Record<string, string | number | null>

async function* dumpTable(tx: Tx, { name, key }: Table): AsyncGenerator<RowBatch> {
  const order = sql.join(key.map((column) => sql.ref(column)))
  for (let last: Row | null = null; ;) {
    const beyond: RawBuilder<unknown> = last === null ? sql`` : sql`where ${isBeyond(key, last)}`
    // A table without a key cannot be read in pages. These tables are small and are read at once.
    const { rows }: { rows: Row[] } =
      key.length === 0
        ? await sql<Row>`select * from ${sql.table(name)}`.execute(tx)
        : await sql<Row>`select * from ${sql.table(name)} ${beyond} order by ${order} limit ${BATCH_SIZE}`.execute(
            tx,
          )
    const [first] = rows
    if (!first) return
    const columns = Object.keys(first)
    for (let from = 0; from < rows.length; from += BATCH_SIZE)
      yield {
        table: name,
        columns,
        rows: rows.slice(from, from + BATCH_SIZE).map((row) => columns.map((column) => row[column] ?? null)),
      }
    last = rows.at(-1) ?? null
    if (key.length === 0 || rows.length < BATCH_SIZE) return
  }
}

/** Returns the SQL condition for rows after another row, by the columns of the key. */
function isBeyond(key: readonly string[], last: Row): RawBuilder<unknown> {
  const [column = '', ...rest] = key
  const value = last[column] ?? null
  if (rest.length === 0) return sql`${sql.ref(column)} > ${value}`
  return sql`(${sql.ref(column)} > ${value} or (${sql.ref(column)} = ${value} and ${isBeyond(rest, last)}))`
}

/** Deletes the rows that migrations insert. The backup has them too. */
export async function emptyTables(tx: Tx, version: number): Promise<void> {
  for (const { name } of [...tablesForVersion(version)].reverse())
    await sql`delete from ${sql.table(name)}`.execute(tx)
}

/** Inserts rows of a backup. @throws LicensingError BACKUP_UNREADABLE */
export async function loadRows(
  tx: Tx,
  known: ReadonlySet<string>,
  { table, columns, rows }: RowBatch,
): Promise<void> {
  if (!known.has(table) || rows.some((row) => row.length !== columns.length))
    throw new LicensingError(
      'BACKUP_UNREADABLE',
      `The rows of the table ${table} in the backup have unexpected columns.`,
    )
  await sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))}) values ${sql.join(
    rows.map((row) => sql`(${sql.join(row)})`),
  )}`.execute(tx)
}

/** Moves the sequences of a PostgreSQL database past the restored rows. */
export async function resetSequences(tx: Tx, version: number): Promise<void> {
  for (const { name, numbered } of tablesForVersion(version))
    if (numbered)
      await sql`select setval(pg_get_serial_sequence(${name}, 'id'), coalesce((select max(id) from ${sql.table(name)}), 0) + 1, false)`.execute(
        tx,
      )
}
