import { LicensingError } from '../../core/errors.ts'
import type { ProductProfile } from '../../core/profile.ts'
import type { Instant } from '../../core/time.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { AuthorityStore, Tx } from '../store/store.ts'
import type { AccountContext, VirtualAccount } from './account-context.ts'
import type { AuthorityClock } from './authority-clock.ts'

/** Which smart account and virtual account a call is about: the only one, and the default one, unless named. */
export interface AccountSelector {
  readonly account?: string | undefined
  readonly virtualAccount?: string | undefined
}

/** An authority as its services see it. Each call that takes work is one transaction, after the maintenance that is due. */
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
  /** Reads, and waits for no writer unless maintenance is due. @throws LicensingError ACCOUNT_* */
  readAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T>
  /**
   * Reads of one virtual account where one is named, otherwise of the whole smart account: `virtual` is null then.
   *
   * @throws LicensingError ACCOUNT_*, NOT_FOUND
   */
  readVirtualAccount<T>(
    where: AccountSelector,
    work: (context: AccountContext, virtual: VirtualAccount | null) => Promise<T>,
  ): Promise<T>
  /** Works on the whole authority. */
  withMaintenance<T>(work: (tx: Tx, at: Instant) => Promise<T>): Promise<T>
}

/** @throws LicensingError WRONG_ROLE */
export function requireRole(
  { credentials }: Pick<AuthorityContext, 'credentials'>,
  role: 'manager' | 'satellite',
  what: string,
): void {
  if (credentials.keyRing.identity.role === role) return
  throw new LicensingError(
    'WRONG_ROLE',
    role === 'manager'
      ? `This authority is a satellite: ${what} at its manager.`
      : `This authority is a manager: ${what} at a satellite.`,
  )
}
