import type { AccountContext } from '../context/account-context.ts'
import { type Cell, formatCsv } from '../../core/csv.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { listLicenses, listVirtualAccounts } from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { type InstanceDocument, listInstances, toReservedInstance } from '../inventory/instances.ts'
import { listLots } from '../inventory/pools.ts'
import { listReservations } from '../inventory/reservation-ledger.ts'
import { listReportedInstances } from '../satellites/reported-instances.ts'
import type { Lot } from '../policy.ts'

/** A smart account and the requested virtual account; null for all. */
export interface ReportContext extends AccountContext {
  readonly only: VirtualAccount | null
}

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

type Row<K extends ReportKind> = Record<keyof (typeof COLUMNS)[K], Cell>

export async function createReport(context: ReportContext, kind: ReportKind): Promise<ReportDocument> {
  return {
    kind,
    generatedAt: toIsoString(context.at),
    columns: Object.entries(COLUMNS[kind]).map(([key, title]) => ({ key, title })),
    rows: await readRows(context, kind),
  }
}

function readRows(context: ReportContext, kind: ReportKind): Promise<Record<string, Cell>[]> {
  switch (kind) {
    case 'licenses':
      return listLicenseRows(context)
    case 'instances':
      return listInstanceRows(context)
    case 'usage':
      return listUsageRows(context)
  }
}

async function listLicenseRows(context: ReportContext): Promise<Row<'licenses'>[]> {
  const virtualAccounts = await listVirtualAccounts(context.tx, context.account.id)
  const ids = new Map(virtualAccounts.map(({ id, name }) => [name, id]))
  const rows: Row<'licenses'>[] = []
  for (const license of await listLicenses(context.tx, context.account, context.profile, context.at)) {
    if (!isInScope(context, license)) continue
    const lots = await listLots(context.tx, ids.get(license.virtualAccount) ?? '', license.tag)
    const next = findNextExpiry(lots, context.at)
    rows.push({
      ...license,
      nextExpiry: toIsoString(next?.endsAt ?? null),
      nextExpiryQuantity: next?.quantity ?? null,
    })
  }
  return rows
}

async function listInstanceRows(context: ReportContext): Promise<Row<'instances'>[]> {
  return (await listAllInstances(context)).map((one) => ({
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

async function listUsageRows(context: ReportContext): Promise<Row<'usage'>[]> {
  const key = ({ virtualAccount, tag, instance }: Row<'usage'>) =>
    [virtualAccount, tag, instance].join('\u0000')
  return (await listAllInstances(context))
    .flatMap(({ virtualAccount, udi, entitlements }) =>
      entitlements.map(({ tag, count, status }) => ({
        virtualAccount,
        tag,
        instance: `${udi.pid}:${udi.serial}`,
        count,
        status,
      })),
    )
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Returns the registered and reserved product instances, and the ones that satellites reported. */
async function listAllInstances(context: ReportContext): Promise<InstanceDocument[]> {
  const reserved = await listReservations(context)
  return [
    ...(await listInstances(context.tx, context.account, context.at)),
    ...reserved.map(toReservedInstance),
    ...(await listReportedInstances(context.tx, context.account, context.at)),
  ].filter((one) => isInScope(context, one))
}

function isInScope(context: ReportContext, { virtualAccount }: { virtualAccount: string }): boolean {
  return context.only === null || virtualAccount === context.only.name
}

/** Returns the next end of licenses of a pool and their quantity; null when no licenses end. */
function findNextExpiry(lots: readonly Lot[], at: Instant): { endsAt: Instant; quantity: number } | null {
  const endsAt = Math.min(...lots.map((lot) => lot.endsAt ?? Infinity).filter((end) => end > at))
  if (endsAt === Infinity) return null
  const ending = lots.filter((lot) => lot.endsAt === endsAt)
  return { endsAt, quantity: ending.reduce((sum, { quantity }) => sum + quantity, 0) }
}
