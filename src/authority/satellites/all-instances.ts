import { sql } from 'kysely'
import type { AccountContext } from '../context/account-context.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import {
  countInstanceRows,
  type InstanceFilter,
  type InstancePosition,
  type InstanceRows,
  type InstanceSearch,
  type InstanceScope,
  type InstanceSlice,
  listInstanceIds,
  readInstanceSlice,
  searchInstanceSlice,
} from '../inventory/instance-list.ts'
import {
  type InstanceDocument,
  readInstances,
  selectRegisteredRows,
  toReservedInstance,
} from '../inventory/instances.ts'
import { readReservations, selectReservedRows } from '../inventory/reservation-ledger.ts'
import type { Tx } from '../store/store.ts'
import { listReportingSatellites, readReportedInstances, selectReportedRows } from './reported-instances.ts'

/**
 * Reads a smart account in a short transaction. A list makes one call for each part, and other work of the process goes on
 * between the calls.
 */
export type AccountReader = <T>(read: (context: AccountContext) => Promise<T>) => Promise<T>

/** Product instances that one transaction reads. */
const SLICE_SIZE = 250

/** A page of a list, and the number of all entries that match. */
export interface InstancePage {
  readonly instances: readonly InstanceDocument[]
  readonly total: number
}

/** Part of a list: the entries to skip, and the maximum number to return. */
export interface ListPart {
  readonly skip: number
  readonly limit: number
}

/** Product instances of one kind, in a fixed order. */
interface InstanceSource {
  select(tx: Tx): InstanceRows
  read(context: AccountContext, ids: readonly string[]): Promise<InstanceDocument[]>
}

/**
 * Returns the sources of a list in their order: registered instances, instances with a reservation, and the instances of
 * each satellite.
 */
async function listSources(context: AccountContext, filter: InstanceFilter): Promise<InstanceSource[]> {
  const { tx, account } = context
  const { virtualAccounts: names } = filter
  const scope: InstanceScope = {
    accountId: account.id,
    virtualAccountIds:
      names === undefined
        ? null
        : (await listVirtualAccounts(tx, account.id)).flatMap(({ id, name }) =>
            names.includes(name) ? [id] : [],
          ),
  }
  if (scope.virtualAccountIds?.length === 0) return []
  const satellites = await listReportingSatellites(tx, account.id)
  return [
    { select: (tx) => selectRegisteredRows(tx, scope), read: readInstances },
    {
      select: (tx) => selectReservedRows(tx, scope),
      read: async (context, ids) => (await readReservations(context, ids)).map(toReservedInstance),
    },
    ...satellites.map((satellite) => ({
      select: (tx: Tx) => selectReportedRows(tx, satellite, scope),
      read: readReportedInstances,
    })),
  ]
}

/** Returns a page of the product instances that match a filter. */
export async function readInstancePage(
  read: AccountReader,
  filter: InstanceFilter,
  part: ListPart,
): Promise<InstancePage> {
  const sources = await read((context) => listSources(context, filter))
  const { found, total } =
    filter.search === undefined || filter.search.text === ''
      ? await findPart(read, sources, part)
      : await searchPart(read, sources, filter.search, part)
  const instances: InstanceDocument[] = []
  for (const { source, ids } of found)
    for await (const documents of readDocuments(read, source, ids)) instances.push(...documents)
  return { instances, total }
}

/** Ids of a page that belong to one source. */
interface FoundIds {
  readonly source: InstanceSource
  readonly ids: readonly string[]
}

async function findPart(
  read: AccountReader,
  sources: readonly InstanceSource[],
  { skip, limit }: ListPart,
): Promise<{ found: FoundIds[]; total: number }> {
  const counts = await read(async ({ tx }) => {
    const counts: { source: InstanceSource; count: number }[] = []
    for (const source of sources)
      counts.push({ source, count: await countInstanceRows(tx, source.select(tx)) })
    return counts
  })
  const found: FoundIds[] = []
  let start = 0
  for (const { source, count } of counts) {
    const from = Math.max(skip - start, 0)
    const until = Math.min(skip + limit - start, count)
    if (from < until) {
      const part = { skip: from, limit: until - from }
      found.push({ source, ids: await read(({ tx }) => listInstanceIds(tx, source.select(tx), part)) })
    }
    start += count
  }
  return { found, total: start }
}

async function searchPart(
  read: AccountReader,
  sources: readonly InstanceSource[],
  search: InstanceSearch,
  { skip, limit }: ListPart,
): Promise<{ found: FoundIds[]; total: number }> {
  const found: FoundIds[] = []
  let total = 0
  for (const source of sources)
    for await (const matches of readIdSlices(read, source, search)) {
      const ids = matches.slice(Math.max(skip - total, 0), Math.max(skip + limit - total, 0))
      if (ids.length > 0) found.push({ source, ids })
      total += matches.length
    }
  return { found, total }
}

/** Yields all product instances that match a filter, in slices. */
export async function* readAllInstances(
  read: AccountReader,
  filter: InstanceFilter = {},
): AsyncGenerator<readonly InstanceDocument[]> {
  for (const source of await read((context) => listSources(context, filter)))
    for await (const ids of readIdSlices(read, source, filter.search)) yield* readDocuments(read, source, ids)
}

/** Yields the ids of the instances of a source that match a search. */
async function* readIdSlices(
  read: AccountReader,
  source: InstanceSource,
  search: InstanceSearch | undefined,
): AsyncGenerator<readonly string[]> {
  let after: InstancePosition | null = null
  do {
    const position: InstancePosition | null = after
    const slice: InstanceSlice = await read(({ tx }) =>
      search === undefined || search.text === ''
        ? readInstanceSlice(tx, source.select(tx), position, SLICE_SIZE)
        : searchInstanceSlice(tx, source.select(tx), position, search),
    )
    yield slice.ids
    after = slice.end
  } while (after !== null)
}

async function* readDocuments(
  read: AccountReader,
  source: InstanceSource,
  ids: readonly string[],
): AsyncGenerator<readonly InstanceDocument[]> {
  for (let from = 0; from < ids.length; from += SLICE_SIZE) {
    const slice = ids.slice(from, from + SLICE_SIZE)
    yield await read((context) => source.read(context, slice))
  }
}

/** Returns product instances of every kind by their ids: first registered, then reserved, then reported ones. */
export async function readInstancesById(
  context: AccountContext,
  ids: readonly string[],
): Promise<InstanceDocument[]> {
  return [
    ...(await readInstances(context, ids)),
    ...(await readReservations(context, ids)).map(toReservedInstance),
    ...(await readReportedInstances(context, ids)),
  ]
}

/** Returns the product instances of every kind that have one of the serial numbers. */
export async function readInstancesBySerial(
  context: AccountContext,
  serials: readonly string[],
): Promise<InstanceDocument[]> {
  if (serials.length === 0) return []
  const { tx } = context
  const ids: string[] = []
  for (const table of ['instances', 'reservations', 'reported_instances'] as const) {
    const rows = await tx
      .selectFrom(table)
      .select('id')
      .where('serial', 'in', serials)
      .where('status', '=', sql.lit('active'))
      .orderBy('id')
      .execute()
    ids.push(...rows.map(({ id }) => id))
  }
  return readInstancesById(context, ids)
}
