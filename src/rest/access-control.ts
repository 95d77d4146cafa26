import { isSameDomain } from '../authority/inventory/accounts.ts'
import type { ApiPrincipal } from '../authority/identity/api-clients.ts'
import type { AccountWithNumericId } from '../authority/inventory/numeric-ids.ts'
import { LicensingError } from '../core/errors.ts'
import type { RestCall } from './endpoint.ts'

const createDeniedError = ({ name }: ApiPrincipal, what: string) =>
  new LicensingError('PERMISSION_DENIED', `${name} has no access to ${what}.`)

/**
 * Refuses a smart account that the caller has no access to. An account that does not exist gives the same error.
 *
 * @throws LicensingError PERMISSION_DENIED
 */
export function assertAccountAccess(caller: ApiPrincipal, account: string): void {
  if (caller.account !== null && !isSameDomain(caller.account, account))
    throw createDeniedError(caller, 'that smart account')
}

/** @throws LicensingError PERMISSION_DENIED */
export function assertVirtualAccountAccess(caller: ApiPrincipal, virtualAccount: string): void {
  if (caller.virtualAccount !== null && caller.virtualAccount !== virtualAccount)
    throw createDeniedError(caller, 'that virtual account')
}

/** Refuses a caller who is limited to one virtual account. @throws LicensingError PERMISSION_DENIED */
export function assertWholeAccountAccess(caller: ApiPrincipal): void {
  if (caller.virtualAccount !== null)
    throw createDeniedError(caller, `accounts other than ${caller.virtualAccount}`)
}

/** Returns the virtual accounts that a call names, or the accessible ones; undefined for all. @throws LicensingError PERMISSION_DENIED, INVALID_ARGUMENT */
export async function selectVirtualAccounts(
  { authority, account, caller }: RestCall,
  wanted: readonly string[] | null | undefined,
): Promise<readonly string[] | undefined> {
  const names = wanted ?? []
  for (const name of names) assertVirtualAccountAccess(caller, name)
  const there = new Set((await authority.accounts.listVirtualAccounts({ account })).map(({ name }) => name))
  const unknown = names.find((name) => !there.has(name))
  if (unknown !== undefined)
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `virtualAccounts: the smart account has no virtual account ${JSON.stringify(unknown.slice(0, 100))}.`,
    )
  if (names.length > 0) return names
  return caller.virtualAccount === null ? undefined : [caller.virtualAccount]
}

/** Returns a filter for the virtual accounts that a call names; by default for all accessible ones. */
export async function createVirtualAccountFilter(
  call: RestCall,
  wanted: readonly string[] | null | undefined,
): Promise<(one: { virtualAccount: string | null }) => boolean> {
  const names = await selectVirtualAccounts(call, wanted)
  const chosen = names && new Set(names)
  return ({ virtualAccount }) =>
    chosen === undefined || (virtualAccount !== null && chosen.has(virtualAccount))
}

/** Returns the smart and virtual accounts that a caller has access to. */
export async function listAccessibleAccounts({
  authority,
  caller,
}: RestCall): Promise<AccountWithNumericId[]> {
  return (await authority.accounts.listWithNumericIds())
    .filter(({ domain }) => caller.account === null || caller.account === domain)
    .map((account) => ({
      ...account,
      virtualAccounts: account.virtualAccounts.filter(
        ({ name }) => caller.virtualAccount === null || caller.virtualAccount === name,
      ),
    }))
}

/**
 * Returns the accounts of a call that gives their numbers in headers.
 *
 * @throws LicensingError INVALID_ARGUMENT, PERMISSION_DENIED
 */
export async function accountFromHeaders(
  call: RestCall,
): Promise<{ account: string; virtualAccount: string | undefined }> {
  const number = (name: string): number | undefined => {
    const text = call.header(name)
    if (text === undefined || text.trim() === '') return undefined
    if (!/^\d{1,15}$/.test(text.trim()))
      throw new LicensingError('INVALID_ARGUMENT', `The header ${name} is not a number.`)
    return Number(text)
  }
  const smart = number('X-CSW-SMART-ACCOUNT-ID')
  if (smart === undefined)
    throw new LicensingError('INVALID_ARGUMENT', 'The header X-CSW-SMART-ACCOUNT-ID is missing.')
  const account = (await listAccessibleAccounts(call)).find((one) => one.number === smart)
  if (!account) throw createDeniedError(call.caller, 'that smart account')
  const virtual = number('X-CSW-VIRTUAL-ACCOUNT-ID')
  if (virtual === undefined)
    return { account: account.domain, virtualAccount: call.caller.virtualAccount ?? undefined }
  const found = account.virtualAccounts.find((one) => one.number === virtual)
  if (!found) throw createDeniedError(call.caller, 'that virtual account')
  return { account: account.domain, virtualAccount: found.name }
}
