import { LicensingError } from '../../core/errors.ts'
import type { ProductProfile } from '../../core/profile.ts'
import type { Instant } from '../../core/time.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { AuthorityStore, Tx } from '../store/store.ts'
import type { AccountContext, VirtualAccount } from './account-context.ts'
import type { AuthorityClock } from './authority-clock.ts'

/**
 * Selector of a smart account and a virtual account. By default, it selects the only smart account and its default
 * virtual account.
 */
export interface AccountSelector {
  readonly account?: string | undefined
  readonly virtualAccount?: string | undefined
}

/**
 * Interface of an authority for its services. Each method that takes `work` runs due maintenance, then `work`, in
 * one transaction.
 */
export interface AuthorityContext {
  readonly store: AuthorityStore
  readonly clock: AuthorityClock
  readonly credentials: Credentials
  readonly profile: ProductProfile
  /** @throws LicensingError ACCOUNT_* */
  withAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T>
  /** @throws LicensingError ACCOUNT_*, NOT_FOUND */
  withVirtualAccount<T>(
    where: AccountSelector,
    work: (context: AccountContext, virtual: VirtualAccount) => Promise<T>,
  ): Promise<T>
  /**
   * Runs a read-only transaction. It waits for a writer only if maintenance is due. @throws LicensingError ACCOUNT_*
   */
  readAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T>
  /**
   * Runs a read-only transaction on a virtual account. If the selector names none, the transaction is on the whole
   * smart account and `virtual` is null.
   *
   * @throws LicensingError ACCOUNT_*, NOT_FOUND
   */
  readVirtualAccount<T>(
    where: AccountSelector,
    work: (context: AccountContext, virtual: VirtualAccount | null) => Promise<T>,
  ): Promise<T>
  /** Reads what committed transactions have changed, such as a replaced profile. */
  refresh(): Promise<void>
  /** Runs a transaction on the whole authority. */
  withMaintenance<T>(work: (tx: Tx, at: Instant) => Promise<T>): Promise<T>
}

/** @throws LicensingError WRONG_ROLE */
export function requireRole(
  { credentials }: Pick<AuthorityContext, 'credentials'>,
  role: 'manager' | 'satellite',
  action: string,
): void {
  if (credentials.keyRing.identity.role === role) return
  throw new LicensingError(
    'WRONG_ROLE',
    role === 'manager'
      ? `This authority is a satellite: ${action} at its manager.`
      : `This authority is a manager: ${action} at a satellite.`,
  )
}
