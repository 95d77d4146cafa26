import type { AccountSelector } from '../../authority/context/authority-context.ts'
import { LicensingError } from '../../core/errors.ts'
import type { Caller } from '../../http/procedures.ts'

interface Scope {
  readonly account?: string | undefined
  readonly virtualAccount?: string | undefined
}

/** Returns the requested scope, limited to the caller's accounts. @throws LicensingError PERMISSION_DENIED */
export function effectiveScope({ account, virtualAccount }: Scope, caller: Caller): AccountSelector {
  return {
    account: intersectScope(account, caller.account, caller),
    virtualAccount: intersectScope(virtualAccount, caller.virtualAccount, caller),
  }
}

function intersectScope(
  requested: string | undefined,
  permitted: string | null,
  { name }: Caller,
): string | undefined {
  if (permitted === null) return requested
  if (requested === undefined || requested === permitted) return permitted
  throw new LicensingError('PERMISSION_DENIED', `${name} has no access to ${requested}.`)
}

/** Refuses a caller who is limited to one virtual account. @throws LicensingError PERMISSION_DENIED */
export function assertAccountWide({ name, virtualAccount }: Caller): void {
  if (virtualAccount === null) return
  throw new LicensingError(
    'PERMISSION_DENIED',
    `${name} has no access to accounts other than ${virtualAccount}.`,
  )
}

/** Returns a filter for objects of a scope's virtual account. */
export const inScope =
  ({ virtualAccount }: AccountSelector) =>
  (item: { virtualAccount: string | null }) =>
    virtualAccount === undefined || item.virtualAccount === virtualAccount
