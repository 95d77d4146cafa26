import { type KeyObject, X509Certificate } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { notFoundError } from '../../core/errors.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { computeThumbprint } from '../../pki/chain-validation.ts'
import type { Account, AccountContext } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { readCompliance, setInstanceUsage } from './pools.ts'
import type { InstanceRows, InstanceScope } from './instance-list.ts'
import type { ReservationDocument, ReservedLicenseDocument } from './reservation-ledger.ts'
import { markInstanceChanged } from '../store/revisions.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

/** Column values of an instance without a certificate renewal under way. */
export const NO_RENEWAL = { next_thumbprint: null, next_public_key: null, next_certificates: null } as const

/** Column values of an instance that has made no exchange. */
export const NO_EXCHANGE = {
  ...NO_RENEWAL,
  sequence: 0,
  request_digest: null,
  message_id: null,
  decision: null,
  last_answer: null,
  previous_answer: null,
  profile_name: null,
  profile_version: null,
} as const

export type InstanceRow = Selectable<Tables['instances']>

/** A product instance in the form of the APIs and the command line. */
export interface InstanceDocument {
  readonly id: string
  readonly udi: { readonly pid: string; readonly serial: string; readonly version: string }
  readonly hostname: string | null
  readonly virtualAccount: string
  /** Name of the satellite that reported the instance; null for an instance of this authority. */
  readonly satellite: string | null
  readonly status: 'in-compliance' | 'out-of-compliance' | 'reserved'
  readonly exportControlled: boolean
  /** True after a restore until an administrator has reviewed the instance. */
  readonly inReview: boolean
  readonly registeredAt: string
  /** Null for a reserved instance, which makes no requests and has no end date. */
  readonly lastContactAt: string | null
  readonly expiresAt: string | null
  readonly entitlements: readonly {
    tag: string
    count: number
    status: 'in-compliance' | 'out-of-compliance' | 'reserved'
  }[]
  /** Reservation of the instance; null for a registered one. */
  readonly reservation: {
    readonly authorization: number
    readonly pending: boolean
    readonly licenses: readonly ReservedLicenseDocument[]
    readonly previous: readonly ReservedLicenseDocument[]
  } | null
}

export function toReservedInstance(document: ReservationDocument): InstanceDocument {
  const { authorization, pending, licenses, previous } = document
  const counts = new Map<string, number>()
  for (const { tag, count } of licenses) counts.set(tag, (counts.get(tag) ?? 0) + count)
  return {
    id: document.instanceId,
    udi: document.udi,
    hostname: null,
    virtualAccount: document.virtualAccount,
    satellite: null,
    status: 'reserved',
    exportControlled: false,
    inReview: document.inReview,
    registeredAt: document.reservedAt,
    lastContactAt: null,
    expiresAt: null,
    entitlements: [...counts].map(([tag, count]) => ({ tag, count, status: 'reserved' as const })),
    reservation: { authorization, pending, licenses, previous },
  }
}

/** Selects the registered instances of a list. */
export function selectRegisteredRows(tx: Tx, { accountId, virtualAccountIds }: InstanceScope): InstanceRows {
  const query = tx
    .selectFrom('instances')
    .select(['id', 'registered_at as at', 'pid', 'serial', 'hostname'])
    .where('status', '=', sql.lit('active'))
  return virtualAccountIds === null
    ? query.where('account_id', '=', accountId)
    : query.where('virtual_account_id', 'in', virtualAccountIds)
}

/** Returns registered instances of an account in the order of their ids. Ids of other instances are left out. */
export async function readInstances(
  { tx, account, at }: Pick<AccountContext, 'tx' | 'account' | 'at'>,
  ids: readonly string[],
): Promise<InstanceDocument[]> {
  if (ids.length === 0) return []
  const found = await tx
    .selectFrom('instances')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'instances.virtual_account_id')
    .select(['instances.id', 'instances.virtual_account_id', 'pid', 'serial', 'version', 'hostname'])
    .select(['export_controlled', 'in_review', 'registered_at', 'last_contact_at', 'expires_at'])
    .select('virtual_accounts.name as virtualAccount')
    .select(['instances.account_id', 'instances.status'])
    // The ids alone choose the index. With further conditions SQLite reads all instances of the account.
    .where('instances.id', 'in', ids)
    .execute()
  const rows = found.filter(({ account_id, status }) => account_id === account.id && status === 'active')
  const usage = await readInstanceUsage(tx, ids)
  const compliance = await readCompliance(
    tx,
    rows.map((row) => row.virtual_account_id),
    at,
  )
  const documents = new Map(
    rows.map((row): [string, InstanceDocument] => {
      const rated = rateUsage(usage.get(row.id) ?? [], (tag) => compliance(row.virtual_account_id, tag))
      return [
        row.id,
        {
          id: row.id,
          udi: { pid: row.pid, serial: row.serial, version: row.version },
          hostname: row.hostname,
          virtualAccount: row.virtualAccount,
          satellite: null,
          status: rated.status,
          exportControlled: row.export_controlled === 1,
          inReview: row.in_review !== 0,
          registeredAt: toIsoString(row.registered_at),
          lastContactAt: toIsoString(row.last_contact_at),
          expiresAt: toIsoString(row.expires_at),
          entitlements: rated.entitlements,
          reservation: null,
        },
      ]
    }),
  )
  return ids.flatMap((id) => documents.get(id) ?? [])
}

/** Returns the usage of instances by tag. */
async function readInstanceUsage(
  tx: Tx,
  ids: readonly string[],
): Promise<Map<string, { tag: string; count: number }[]>> {
  const rows = await tx
    .selectFrom('instance_usage')
    .selectAll()
    .where('instance_id', 'in', ids)
    .orderBy('tag')
    .execute()
  const usage = new Map<string, { tag: string; count: number }[]>()
  for (const { instance_id, tag, count } of rows) {
    const of = usage.get(instance_id)
    if (of) of.push({ tag, count })
    else usage.set(instance_id, [{ tag, count }])
  }
  return usage
}

/** Finds the instance of a current or newly issued certificate. A valid chain alone gives no access (`docs/security.md`). */
export async function findByCertificate(
  tx: Tx,
  pem: string,
): Promise<{ instance: InstanceRow; key: KeyObject; pending: boolean; validTo: string } | undefined> {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    return undefined
  }
  const print = computeThumbprint(certificate)
  const instance = await tx
    .selectFrom('instances')
    .selectAll()
    .where((or) => or.or([or('thumbprint', '=', print), or('next_thumbprint', '=', print)]))
    .executeTakeFirst()
  if (!instance) return undefined
  const { publicKey: key, validTo } = certificate
  return { instance, key, pending: instance.thumbprint !== print, validTo }
}

export async function getVirtualAccountName(
  tx: Tx,
  row: Pick<InstanceRow, 'virtual_account_id'>,
): Promise<string> {
  const { name } = await tx
    .selectFrom('virtual_accounts')
    .select('name')
    .where('id', '=', row.virtual_account_id)
    .executeTakeFirstOrThrow()
  return name
}

/** @throws LicensingError NOT_FOUND */
export async function getInstance(
  tx: Tx,
  account: Account,
  id: string,
  at: Instant,
): Promise<InstanceDocument> {
  const [instance] = await readInstances({ tx, account, at }, [id])
  if (!instance)
    throw notFoundError(
      'product-instance',
      `${account.domain} has no product instance ${JSON.stringify(id)}.`,
    )
  return instance
}

/** Deactivates an instance: its licenses return to the pool, and its certificate is no longer accepted (R-ACC-4). */
export async function deactivateInstance(
  tx: Tx,
  instance: Pick<InstanceRow, 'id' | 'virtual_account_id'>,
  status: 'removed' | 'replaced' | 'deregistered' | 'expired',
  at: Instant,
): Promise<void> {
  await setInstanceUsage(tx, { id: instance.id, virtualAccountId: instance.virtual_account_id }, [], at)
  await tx.updateTable('instances').set({ status }).where('id', '=', instance.id).execute()
  await markInstanceChanged(tx, instance.id)
}

/** Deactivates every instance with an expired certificate. Such an instance must register again (R-REG-6). */
export async function expireInstances(tx: Tx, at: Instant): Promise<void> {
  const rows = await tx
    .selectFrom('instances')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'instances.virtual_account_id')
    .selectAll('instances')
    .select('virtual_accounts.name as virtualAccount')
    .where('instances.status', '=', sql.lit('active'))
    .where('instances.expires_at', '<=', at)
    .execute()
  for (const row of rows) {
    await deactivateInstance(tx, row, 'expired', at)
    await logEvent(tx, {
      at,
      type: 'INSTANCE_EXPIRED',
      severity: 'major',
      accountId: row.account_id,
      virtualAccount: row.virtualAccount,
      instanceId: row.id,
      message: `${row.pid}:${row.serial} did not renew its registration within a year.`,
    })
  }
}

/** @throws LicensingError NOT_FOUND */
export async function removeInstance(
  tx: Tx,
  account: Account,
  id: string,
  at: Instant,
): Promise<InstanceDocument> {
  const document = await getInstance(tx, account, id, at)
  const row = await tx
    .selectFrom('instances')
    .select(['id', 'virtual_account_id'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await deactivateInstance(tx, row, 'removed', at)
  await logEvent(tx, {
    at,
    type: 'INSTANCE_REMOVED',
    accountId: account.id,
    virtualAccount: document.virtualAccount,
    instanceId: id,
    message: `${document.udi.pid}:${document.udi.serial} was removed.`,
  })
  return document
}

/** Returns the counts of an instance with their compliance, and the status of the instance. */
export function rateUsage(
  counts: readonly { tag: string; count: number }[],
  isCovered: (tag: string) => boolean,
): Pick<InstanceDocument, 'entitlements' | 'status'> {
  const entitlements = counts.map(({ tag, count }) => ({
    tag,
    count,
    status: isCovered(tag) ? ('in-compliance' as const) : ('out-of-compliance' as const),
  }))
  const isInCompliance = entitlements.every(({ status }) => status === 'in-compliance')
  return { entitlements, status: isInCompliance ? 'in-compliance' : 'out-of-compliance' }
}
