import { z } from 'zod'
import type { Instant } from '../domain/instant.ts'

export const roleSchema = z.enum(['administrator', 'user', 'viewer'])
/** What somebody who signs in may do: everything; licensing work; look. */
export type Role = z.infer<typeof roleSchema>

/** Somebody who may sign in. */
export interface User {
  readonly name: string
  readonly role: Role
  /** At an authority: the smart account and the virtual account the user is kept to; null for all. */
  readonly account: string | null
  readonly virtualAccount: string | null
  /** A hash, never a password. */
  readonly password: string
  /** The password was made by the program or by an administrator, and is good for setting another only. */
  readonly mustChange: boolean
  readonly createdAt: Instant
  readonly signedInAt: Instant | null
}

/** One thing that somebody did, or that was refused: for the audit record. */
export interface Deed {
  readonly at: Instant
  /** Null where nobody was signed in. */
  readonly who: string | null
  readonly address: string
  readonly action: string
  /** What it was done to, by its public name. */
  readonly about: string
  /** `done`, or the code of the refusal. */
  readonly outcome: string
}

/** Where users and the audit record are kept. */
export interface UserStore {
  find(name: string): Promise<User | null>
  list(): Promise<User[]>
  /** Adds a user, or replaces the one of that name. */
  put(user: User): Promise<void>
  remove(name: string): Promise<void>
  record(deed: Deed): Promise<void>
  /** The newest, the newest first. */
  deeds(limit: number): Promise<Deed[]>
}
