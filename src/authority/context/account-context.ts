import type { ProductProfile } from '../../core/profile.ts'
import type { Instant } from '../../core/time.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'

export interface Account {
  readonly id: string
  readonly domain: string
  readonly agreementAt: Instant | null
}

export interface VirtualAccount {
  readonly id: string
  readonly name: string
  readonly isDefault: boolean
  /** At a manager: the satellite that the virtual account belongs to, or null. */
  readonly satellite: { readonly id: string; readonly name: string; readonly registered: boolean } | null
  /** At a satellite: the manager's virtual account that supplies its licenses, or null. */
  readonly upstream: string | null
  /**
   * True for a satellite's first virtual account at the manager, and for the same virtual account at the
   * satellite.
   */
  readonly home: boolean
}

/** Transaction on one smart account, and the data that the functions of the licensing rules need. */
export interface AccountContext {
  readonly tx: Tx
  readonly account: Account
  /** The authority's time: one instant for the whole transaction. */
  readonly at: Instant
  /** The name of the user or client that requested the work, or null. */
  readonly actor: string | null
  readonly credentials: Credentials
  readonly profile: ProductProfile
}
