import { sortInSlices } from '../../core/sort-in-slices.ts'
import { sql } from 'kysely'
import { type Cell, formatCsv, formatCsvHeader, formatCsvRows } from '../../core/csv.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import type { AccountContext } from '../context/account-context.ts'
import { listLicenses, resolveVirtualAccount } from '../inventory/accounts.ts'
import { type AccountReader, readAllInstances } from '../satellites/all-instances.ts'

export const REPORT_KINDS = ['licenses', 'instances', 'usage'] as const
export type ReportKind = (typeof REPORT_KINDS)[number]

/** A report as a table at an instant. Every row has every column (R-ACC-7). */
export interface ReportDocument {
  readonly kind: ReportKind
  readonly generatedAt: string
  readonly columns: readonly { readonly key: string; readonly title: string }[]
  readonly rows: readonly Readonly<Record<string, Cell>>[]
}

/** Returns the cells of a report by row, in the order of its columns. */
export const toCells = ({ columns, rows }: ReportDocument): Cell[][] =>
  rows.map((row) => columns.map(({ key }) => row[key] ?? null))

/** Formats a report as CSV with a header. */
export const toCsv = (report: ReportDocument): string =>
  formatCsv(
    report.columns.map(({ title }) => title),
    toCells(report),
  )

const COLUMNS = {
  licenses: {
    virtualAccount: 'Virtual account',
    tag: 'Tag',
    name: 'Name',
    quantity: 'Purchased',
    inUse: 'In use',
    reserved: 'Reserved',
    available: 'Available',
    balance: 'Balance',
    status: 'Status',
    nextExpiry: 'Next expiry',
    nextExpiryQuantity: 'Expiring then',
  },
  instances: {
    product: 'Product',
    serial: 'Serial',
    version: 'Version',
    hostname: 'Host name',
    virtualAccount: 'Virtual account',
    satellite: 'Satellite',
    status: 'Status',
    registered: 'Registered',
    lastContact: 'Last contact',
    expires: 'Expires',
    licenses: 'Licenses',
  },
  usage: {
    virtualAccount: 'Virtual account',
    tag: 'Tag',
    instance: 'Instance',
    count: 'Count',
    status: 'Status',
  },
} as const satisfies Record<ReportKind, Record<string, string>>

type CellsOf<K extends ReportKind> = Record<keyof (typeof COLUMNS)[K], Cell>

/** A report whose rows are read in slices, while other work of the process goes on. */
export interface OpenReport extends Omit<ReportDocument, 'rows'> {
  readonly rows: AsyncIterable<readonly Row[]>
}

type Row = ReportDocument['rows'][number]

/** Smart account of a report, and the requested virtual account; null for all. */
export interface ReportSource {
  readonly read: AccountReader
  readonly virtualAccount: string | null
}

/** Opens a report. @throws LicensingError NOT_FOUND, ACCOUNT_* */
export async function openReport(source: ReportSource, kind: ReportKind): Promise<OpenReport> {
  const { virtualAccount } = source
  const generatedAt = await source.read(async ({ tx, account, at }) => {
    if (virtualAccount !== null) await resolveVirtualAccount(tx, account, virtualAccount)
    return toIsoString(at)
  })
  return {
    kind,
    generatedAt,
    columns: Object.entries(COLUMNS[kind]).map(([key, title]) => ({ key, title })),
    rows: readRows(source, kind),
  }
}

/** Returns a complete report. */
export async function createReport(source: ReportSource, kind: ReportKind): Promise<ReportDocument> {
  const { rows: slices, ...report } = await openReport(source, kind)
  const rows: Row[] = []
  for await (const slice of slices) rows.push(...slice)
  return { ...report, rows }
}

/** Yields a report as CSV with a header, in slices. */
export async function* formatReportCsv({ columns, rows }: OpenReport): AsyncGenerator<string> {
  yield formatCsvHeader(columns.map(({ title }) => title))
  for await (const slice of rows)
    yield formatCsvRows(slice.map((row) => columns.map(({ key }) => row[key] ?? null)))
}

function readRows(source: ReportSource, kind: ReportKind): AsyncIterable<readonly Row[]> {
  switch (kind) {
    case 'licenses':
      return readLicenseRows(source)
    case 'instances':
      return readInstanceRows(source)
    case 'usage':
      return readUsageRows(source)
  }
}

async function* readLicenseRows({ read, virtualAccount }: ReportSource): AsyncGenerator<Row[]> {
  const licenses = await read(({ tx, account, profile, at }) => listLicenses(tx, account, profile, at))
  const expiries = await read(findNextExpiries)
  yield licenses
    .filter((license) => virtualAccount === null || license.virtualAccount === virtualAccount)
    .map((license): CellsOf<'licenses'> => {
      const next = expiries.get(toPoolName(license))
      return {
        ...license,
        nextExpiry: toIsoString(next?.endsAt ?? null),
        nextExpiryQuantity: next?.quantity ?? null,
      }
    })
}

/** Yields the registered and reserved product instances, and the ones that satellites reported. */
const readInstances = ({ read, virtualAccount }: ReportSource) =>
  readAllInstances(read, virtualAccount === null ? {} : { virtualAccounts: [virtualAccount] })

async function* readInstanceRows(source: ReportSource): AsyncGenerator<Row[]> {
  for await (const instances of readInstances(source))
    yield instances.map((one): CellsOf<'instances'> => ({
      product: one.udi.pid,
      serial: one.udi.serial,
      version: one.udi.version,
      hostname: one.hostname,
      virtualAccount: one.virtualAccount,
      satellite: one.satellite,
      status: one.status,
      registered: one.registeredAt,
      lastContact: one.lastContactAt,
      expires: one.expiresAt,
      licenses: one.entitlements.map(({ tag, count }) => `${tag} ${count}`).join(', '),
    }))
}

/** Yields the usage by virtual account, tag and instance. The rows of one pool are sorted at a time. */
async function* readUsageRows(source: ReportSource): AsyncGenerator<Row[]> {
  const pools = new Map<string, CellsOf<'usage'>[]>()
  for await (const instances of readInstances(source))
    for (const { virtualAccount, udi, entitlements } of instances)
      for (const { tag, count, status } of entitlements) {
        const key = toPoolName({ virtualAccount, tag })
        const rows = pools.get(key) ?? []
        pools.set(key, rows)
        rows.push({ virtualAccount, tag, instance: `${udi.pid}:${udi.serial}`, count, status })
      }
  const byInstance = (a: { instance: Cell }, b: { instance: Cell }) =>
    String(a.instance) < String(b.instance) ? -1 : 1
  for (const [, rows] of [...pools].sort(([a], [b]) => (a < b ? -1 : 1)))
    yield* sortInSlices(rows, byInstance, { rowsPerSlice: 1_000, rowsPerTurn: 5_000 })
}

const toPoolName = ({ virtualAccount, tag }: { virtualAccount: string; tag: string }): string =>
  `${virtualAccount}\u0000${tag}`

/** Returns the next end of licenses of each pool, and their quantity. */
async function findNextExpiries({
  tx,
  account,
  at,
}: AccountContext): Promise<Map<string, { endsAt: Instant; quantity: number }>> {
  const rows = await tx
    .selectFrom('licenses')
    .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
    .select(['va.name as virtualAccount', 'tag', 'ends_at', sql<number>`sum(quantity)`.as('quantity')])
    .where('va.account_id', '=', account.id)
    .where('ends_at', '>', at)
    .groupBy(['va.name', 'tag', 'ends_at'])
    .orderBy('ends_at')
    .execute()
  const expiries = new Map<string, { endsAt: Instant; quantity: number }>()
  for (const { ends_at: endsAt, quantity, ...pool } of rows) {
    const name = toPoolName(pool)
    if (endsAt !== null && !expiries.has(name)) expiries.set(name, { endsAt, quantity })
  }
  return expiries
}
