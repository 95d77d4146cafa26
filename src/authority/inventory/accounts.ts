import { sql } from 'kysely'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { alreadyExistsError, LicensingError, notFoundError } from '../../core/errors.ts'
import { isVisibleText, normalizeName, toNameKey } from '../../core/display-text.ts'
import { groupBy } from '../../core/group-by.ts'
import type { Instant } from '../../core/time.ts'
import type { ProductProfile } from '../../core/profile.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { listPools } from './pools.ts'
import type { Tx } from '../store/store.ts'

const domainSchema = z
  .string()
  .max(253)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/,
    'the name of a smart account is a domain, such as example.com',
  )
const nameSchema = z
  .string()
  .refine(isVisibleText, 'a name has no control characters and no invisible characters')
  .overwrite(normalizeName)
  .min(1, 'a name is required')
  .max(100, 'a name is at most 100 characters')

/** Compares the names of virtual accounts without regard to case and compatibility forms. */
export const isSameName = (a: string, b: string): boolean => toNameKey(a) === toNameKey(b)

/** Compares domain names without regard to case (RFC 4343 §3). */
export const isSameDomain = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Adds a smart account with its first virtual account, `Default` (R-ACC-1). @throws LicensingError ALREADY_EXISTS */
export async function addAccount(tx: Tx, domain: string, at: Instant): Promise<Account> {
  const name = validate(domainSchema, domain, 'smart account')
  if ((await listAccounts(tx)).some(({ domain }) => isSameDomain(domain, name))) {
    throw alreadyExistsError('smart-account', `A smart account ${name} already exists.`)
  }
  const id = randomUUID()
  await tx
    .insertInto('accounts')
    .values({ id, domain: name, agreement_at: at, reservation_at: null, created_at: at })
    .execute()
  await tx
    .insertInto('virtual_accounts')
    .values({
      id: randomUUID(),
      account_id: id,
      name: 'Default',
      is_default: 1,
      created_at: at,
      satellite_id: null,
      is_home: 0,
      upstream: null,
    })
    .execute()
  await logEvent(tx, {
    at,
    type: 'ACCOUNT_CREATED',
    accountId: id,
    message: `Smart account ${name}, license agreement accepted.`,
  })
  return { id, domain: name, agreementAt: at }
}

export async function listAccounts(tx: Tx): Promise<Account[]> {
  return tx
    .selectFrom('accounts')
    .select(['id', 'domain', 'agreement_at as agreementAt'])
    .orderBy('domain')
    .execute()
}

/** Returns the named account, or the only one. @throws LicensingError NOT_FOUND, ACCOUNT_AMBIGUOUS */
export async function resolveAccount(tx: Tx, domain: string | undefined): Promise<Account> {
  const accounts = await listAccounts(tx)
  const [only] = accounts
  if (domain === undefined) {
    if (accounts.length > 1)
      throw new LicensingError('ACCOUNT_AMBIGUOUS', `The authority has ${accounts.length} smart accounts.`)
    if (!only) throw notFoundError('smart-account', 'The authority has no smart account.')
    return only
  }
  const account =
    accounts.find((one) => one.domain === domain) ?? accounts.find((one) => isSameDomain(one.domain, domain))
  if (!account) throw notFoundError('smart-account', `There is no smart account ${JSON.stringify(domain)}.`)
  return account
}

export async function listVirtualAccounts(tx: Tx, accountId: string): Promise<VirtualAccount[]> {
  const rows = await tx
    .selectFrom('virtual_accounts as va')
    .leftJoin('satellites', 'satellites.id', 'va.satellite_id')
    .select(['va.id', 'va.name', 'va.is_default', 'va.satellite_id', 'va.upstream', 'va.is_home'])
    .select(['satellites.name as satellite', 'satellites.key'])
    .where('va.account_id', '=', accountId)
    .orderBy('va.name')
    .execute()
  return rows.map(({ id, name, is_default, satellite_id, satellite, key, upstream, is_home }) => ({
    id,
    name,
    isDefault: is_default === 1,
    satellite:
      satellite_id === null ? null : { id: satellite_id, name: satellite ?? '', registered: key !== null },
    upstream,
    home: is_home === 1,
  }))
}

/** Returns the named virtual account, or the default one. @throws LicensingError NOT_FOUND */
export async function resolveVirtualAccount(
  tx: Tx,
  account: Account,
  name: string | undefined,
): Promise<VirtualAccount> {
  const all = await listVirtualAccounts(tx, account.id)
  const found =
    name === undefined
      ? all.find(({ isDefault }) => isDefault)
      : (all.find((one) => one.name === name) ?? all.find((one) => isSameName(one.name, name)))
  if (!found) {
    throw notFoundError(
      'virtual-account',
      `${account.domain} has no ${name === undefined ? 'default virtual account' : `virtual account ${JSON.stringify(name)}`}.`,
    )
  }
  return found
}

/**
 * Refuses an operation at the manager on a virtual account of a satellite (R-ACC-5).
 *
 * @param what reason in the error message
 * @throws LicensingError VIRTUAL_ACCOUNT_OF_SATELLITE
 */
export function requireLocal({ name, satellite }: VirtualAccount, what: string): void {
  if (satellite)
    throw new LicensingError(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
      `${name} belongs to the satellite ${satellite.name}: ${what}.`,
    )
}

/** @throws LicensingError ALREADY_EXISTS, INVALID_ARGUMENT */
export async function addVirtualAccount(
  tx: Tx,
  account: Account,
  name: string,
  at: Instant,
): Promise<VirtualAccount> {
  const wanted = validate(nameSchema, name, 'virtual account')
  const same = (await listVirtualAccounts(tx, account.id)).find((one) => isSameName(one.name, wanted))
  if (same)
    throw alreadyExistsError(
      'virtual-account',
      `${account.domain} already has a virtual account ${JSON.stringify(same.name)}.`,
    )
  const id = randomUUID()
  await tx
    .insertInto('virtual_accounts')
    .values({
      id,
      account_id: account.id,
      name: wanted,
      is_default: 0,
      created_at: at,
      satellite_id: null,
      is_home: 0,
      upstream: null,
    })
    .execute()
  await logEvent(tx, {
    at,
    type: 'VIRTUAL_ACCOUNT_ADDED',
    accountId: account.id,
    virtualAccount: wanted,
    message: `Virtual account ${wanted}.`,
  })
  return { id, name: wanted, isDefault: false, satellite: null, upstream: null, home: false }
}

/** Describes the contents that prevent giving a virtual account to a satellite. Returns null for an empty account. */
export async function describeContents(tx: Tx, id: string, at: Instant): Promise<string | null> {
  const holds = await Promise.all([
    ...(['instances', 'reported_instances', 'reservations'] as const).map((table) =>
      tx
        .selectFrom(table)
        .select('id')
        .where('virtual_account_id', '=', id)
        .where('status', '=', sql.lit('active'))
        .executeTakeFirst(),
    ),
    tx
      .selectFrom('tokens')
      .select('id')
      .where('virtual_account_id', '=', id)
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', at)
      .executeTakeFirst(),
  ])
  return holds.some((row) => row !== undefined) ? 'product instances or valid tokens' : null
}

/**
 * @throws LicensingError NOT_FOUND, VIRTUAL_ACCOUNT_IS_DEFAULT, VIRTUAL_ACCOUNT_IN_USE,
 * VIRTUAL_ACCOUNT_OF_SATELLITE
 */
export async function removeVirtualAccount(
  tx: Tx,
  account: Account,
  name: string,
  at: Instant,
): Promise<void> {
  const virtual = await resolveVirtualAccount(tx, account, name)
  const { id, isDefault } = virtual
  if (isDefault)
    throw new LicensingError('VIRTUAL_ACCOUNT_IS_DEFAULT', `${name} is the default virtual account.`)
  requireLocal(virtual, 'remove the satellite to free the virtual account')
  if (virtual.upstream !== null)
    throw new LicensingError(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
      `${name} receives the licenses of the manager's virtual account ${virtual.upstream}.`,
      { remedy: 'Have the manager free its virtual account, which removes this one.' },
    )
  const owned = await tx
    .selectFrom('licenses')
    .select('id')
    .where('virtual_account_id', '=', id)
    .where((or) => or.or([or('ends_at', 'is', null), or('ends_at', '>', at)]))
    .executeTakeFirst()
  const coming = await tx
    .selectFrom('reclaims')
    .select('id')
    .where('to_virtual_account_id', '=', id)
    .executeTakeFirst()
  if (owned || coming || (await describeContents(tx, id, at)) !== null) {
    throw new LicensingError(
      'VIRTUAL_ACCOUNT_IN_USE',
      `${name} still has licenses, product instances or valid tokens, or waits for transferred licenses.`,
    )
  }
  // Ended objects move to the default account, because device keys are remembered without end.
  const { id: heir } = await resolveVirtualAccount(tx, account, undefined)
  for (const table of ['instances', 'reservations', 'reported_instances', 'orders'] as const)
    await tx
      .updateTable(table)
      .set({ virtual_account_id: heir })
      .where('virtual_account_id', '=', id)
      .execute()
  await tx.deleteFrom('reported_reserved').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('licenses').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('tokens').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('pools').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('notifications').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('report_schedules').where('virtual_account_id', '=', id).execute()
  await tx.deleteFrom('virtual_accounts').where('id', '=', id).execute()
  await logEvent(tx, {
    at,
    type: 'VIRTUAL_ACCOUNT_REMOVED',
    accountId: account.id,
    virtualAccount: name,
    message: `Virtual account ${name}.`,
  })
}

/** @throws LicensingError NOT_FOUND */
export async function setDefaultVirtualAccount(
  tx: Tx,
  account: Account,
  name: string,
  at: Instant,
): Promise<void> {
  const virtual = await resolveVirtualAccount(tx, account, name)
  requireLocal(virtual, 'the virtual account cannot be the default')
  const { id } = virtual
  await tx
    .updateTable('virtual_accounts')
    .set({ is_default: 0 })
    .where('account_id', '=', account.id)
    .execute()
  await tx.updateTable('virtual_accounts').set({ is_default: 1 }).where('id', '=', id).execute()
  await logEvent(tx, {
    at,
    type: 'VIRTUAL_ACCOUNT_DEFAULT',
    accountId: account.id,
    virtualAccount: name,
    message: `${name} is now the default.`,
  })
}

/** A pool in the form of the APIs and the command line. */
export interface LicenseDocument {
  readonly virtualAccount: string
  readonly tag: string
  readonly name: string
  readonly quantity: number
  readonly inUse: number
  readonly reserved: number
  /** Licenses that can be reserved, or used without going out of compliance. */
  readonly available: number
  readonly balance: number
  readonly status: 'in-compliance' | 'out-of-compliance'
}

/** Returns the pools of an account with their purchased, used and reserved licenses and the balance. */
export async function listLicenses(
  tx: Tx,
  account: Account,
  profile: ProductProfile,
  at: Instant,
): Promise<LicenseDocument[]> {
  const virtualAccounts = await listVirtualAccounts(tx, account.id)
  const pools = groupBy(
    await listPools(
      tx,
      virtualAccounts.map(({ id }) => id),
      at,
    ),
    ({ virtualAccountId }) => virtualAccountId,
  )
  const names = new Map(profile.tags.map(({ tag, name }) => [tag, name]))
  return virtualAccounts.flatMap(({ id, name: virtualAccount }) =>
    (pools.get(id) ?? []).map(({ tag, owned, inUse, reserved, compliant }): LicenseDocument => ({
      virtualAccount,
      tag,
      name: names.get(tag) ?? tag,
      quantity: owned,
      inUse,
      reserved,
      available: Math.max(0, owned - inUse - reserved),
      balance: owned - inUse - reserved,
      status: compliant ? 'in-compliance' : 'out-of-compliance',
    })),
  )
}
