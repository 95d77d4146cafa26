import { type AliasableExpression, sql } from 'kysely'
import type { Instant } from '../../core/time.ts'
import type { Tx } from '../store/store.ts'

/** Conditions of a list of product instances. Without conditions all instances match. */
export interface InstanceFilter {
  /** Names of the virtual accounts. */
  readonly virtualAccounts?: readonly string[] | undefined
  readonly search?: InstanceSearch | undefined
}

/** Search for a part of a name. The case of ASCII letters is ignored, on both databases. */
export interface InstanceSearch {
  readonly text: string
  /**
   * Texts that are searched: each field of the instance, or its host name, serial number, id and display name
   * (`UDI_PID:…; UDI_SN:…; `).
   */
  readonly in: 'fields' | 'display-name'
}

/** Row of a source, with the columns for the order and the search. */
export interface ListedInstance {
  readonly id: string
  readonly at: Instant
  readonly pid: string
  readonly serial: string
  readonly hostname: string | null
}

/** Selection of product instances of one kind. */
export type InstanceRows = AliasableExpression<ListedInstance>

/** The smart account of a list, and the ids of the requested virtual accounts; null for all. */
export interface InstanceScope {
  readonly accountId: string
  readonly virtualAccountIds: readonly string[] | null
}

/** Position of an instance in the order of its source. */
export type InstancePosition = Pick<ListedInstance, 'at' | 'pid' | 'serial' | 'id'>

/** Rows that one statement of a search reads, so that the statement takes a few milliseconds. */
const MAX_SEARCHED_ROWS = 5_000

const ORDER = ['at', 'pid', 'serial', 'id'] as const

export async function countInstanceRows(tx: Tx, rows: InstanceRows): Promise<number> {
  const { count } = await tx
    .selectFrom(rows.as('one'))
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Returns the ids of a part of a source. */
export async function listInstanceIds(
  tx: Tx,
  rows: InstanceRows,
  part: { readonly skip: number; readonly limit: number },
): Promise<string[]> {
  const found = await tx
    .selectFrom(rows.as('one'))
    .select('id')
    .$call(inOrder)
    .limit(part.limit)
    .offset(part.skip)
    .execute()
  return found.map(({ id }) => id)
}

/** Part of a source that follows a position, and the position of its end; null at the end of the source. */
export interface InstanceSlice {
  readonly ids: readonly string[]
  readonly end: InstancePosition | null
}

/** Returns the next ids after a position. */
export async function readInstanceSlice(
  tx: Tx,
  rows: InstanceRows,
  after: InstancePosition | null,
  limit: number,
): Promise<InstanceSlice> {
  const found = await selectAfter(tx, rows, after).limit(limit).execute()
  return { ids: found.map(({ id }) => id), end: found.length < limit ? null : (found.at(-1) ?? null) }
}

/** Searches the next rows after a position. */
export async function searchInstanceSlice(
  tx: Tx,
  rows: InstanceRows,
  after: InstancePosition | null,
  search: InstanceSearch,
): Promise<InstanceSlice> {
  const end = await selectAfter(tx, rows, after)
    .offset(MAX_SEARCHED_ROWS - 1)
    .limit(1)
    .executeTakeFirst()
  let query = selectAfter(tx, rows, after).where(matchesSearch(search))
  if (end) query = query.where(sql<boolean>`${POSITION} <= ${toTuple(end)}`)
  return { ids: (await query.execute()).map(({ id }) => id), end: end ?? null }
}

const inOrder = <Q extends { orderBy(column: (typeof ORDER)[number]): Q }>(query: Q): Q =>
  ORDER.reduce((ordered, column) => ordered.orderBy(column), query)

const POSITION = sql`(${sql.join(ORDER.map((column) => sql.ref(column)))})`
const toTuple = ({ at, pid, serial, id }: InstancePosition) => sql`(${at}, ${pid}, ${serial}, ${id})`

function selectAfter(tx: Tx, rows: InstanceRows, after: InstancePosition | null) {
  const query = tx.selectFrom(rows.as('one')).select(ORDER).$call(inOrder)
  return after === null ? query : query.where(sql<boolean>`${POSITION} > ${toTuple(after)}`)
}

/** Separator of fields, which no field contains. */
const LINE = '\n'

/** Returns the condition that a part of a name matches. Both databases fold the case of ASCII letters alone. */
function matchesSearch(search: InstanceSearch) {
  const text =
    search.in === 'fields'
      ? sql`pid || ${LINE} || serial || ${LINE} || coalesce(hostname, '') || ${LINE} || id`
      : sql`coalesce(hostname, '') || ${LINE} || id || ${LINE} || 'UDI_PID:' || pid || '; UDI_SN:' || serial || '; '`
  const wanted = search.text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
  const pattern = `%${wanted.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  return sql<boolean>`lower(${text}) like ${pattern} escape '\\'`
}
