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
  /** At a manager: the satellite it belongs to; null for one of the manager's own. */
  readonly satellite: { readonly id: string; readonly name: string; readonly registered: boolean } | null
  /** At a satellite: the manager's virtual account whose licenses arrive in it; null for one of its own. */
  readonly upstream: string | null
  /** Of a satellite's virtual accounts at the manager, and of those the manager's licenses arrive in: the first one. */
  readonly home: boolean
}

/** One transaction about one smart account: the rules of licensing are functions over it. */
export interface AccountContext {
  readonly tx: Tx
  readonly account: Account
  /** The authority's time: one instant for the whole transaction. */
  readonly at: Instant
  /** The name of whoever the work is done for; null for nobody. */
  readonly actor: string | null
  readonly credentials: Credentials
  readonly profile: ProductProfile
}
