import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { Account, VirtualAccount } from './inventory/accounts.ts'
import type { Credentials } from './keys/credentials.ts'
import type { Tx } from './store/store.ts'

/** Which smart account and virtual account a call is about: the only one, and the default one, unless named. */
export interface Where {
  readonly account?: string | undefined
  readonly virtualAccount?: string | undefined
}

/** What every door of an authority works with: one transaction at a time, after what time has brought. */
export interface Desk {
  readonly credentials: Credentials
  readonly profile: ProductProfile
  /** What the clock of this machine says. */
  readonly wall: () => Instant
  in<T>(where: Where, work: (tx: Tx, account: Account, at: Instant) => Promise<T>): Promise<T>
  inVirtual<T>(
    where: Where,
    work: (tx: Tx, account: Account, virtual: VirtualAccount, at: Instant) => Promise<T>,
  ): Promise<T>
}

/** @throws LicensingError WRONG_ROLE */
export function requireRole(
  { credentials }: Pick<Desk, 'credentials'>,
  role: 'manager' | 'satellite',
  what: string,
): void {
  if (credentials.identity.role === role) return
  throw new LicensingError(
    'WRONG_ROLE',
    role === 'manager'
      ? `This authority is a satellite: ${what} at its manager.`
      : `This authority is a manager: ${what} at a satellite.`,
  )
}
