import { z } from 'zod'
import type { Instant } from '../core/time.ts'

export const userRoleSchema = z.enum(['administrator', 'user', 'viewer'])
/** What somebody who signs in may do: everything; licensing work; look. */
export type UserRole = z.infer<typeof userRoleSchema>

/** Somebody who may sign in. */
export interface User {
  readonly name: string
  readonly role: UserRole
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
export interface AuditEntry {
  readonly at: Instant
  /** Null where nobody was signed in. */
  readonly who: string | null
  readonly address: string
  readonly action: string
  /** What it was done to, by its public name. */
  readonly subject: string
  /** `done`, or the code of the refusal. */
  readonly outcome: string
}

/** What changes of a user. */
export type UserChange = Partial<Pick<User, 'password' | 'mustChange' | 'signedInAt'>>

/** Where users and the audit record are kept. Each call is done whole, or not at all. */
export interface UserStore {
  find(name: string): Promise<User | null>
  list(): Promise<User[]>
  /** Adds a user; false where there is one of that name. */
  add(user: User): Promise<boolean>
  /** Adds the first user; false where there is anybody. @param keep called before the user is there, and only then */
  addFirst(user: User, keep: () => void): Promise<boolean>
  /** Changes a user whose password is still kept as that; false where it is not, or nobody is there any more. */
  change(name: string, password: string, change: UserChange): Promise<boolean>
  /** Removes a user, unless nobody would be left who may administer everything and has a password of their own. */
  remove(name: string): Promise<'removed' | 'unknown' | 'last'>
  record(entry: AuditEntry): Promise<void>
  /** The newest, the newest first. */
  auditEntries(limit: number): Promise<AuditEntry[]>
}

/** Whether somebody may administer everything, and can. */
const isActiveAdministrator = ({ role, account, mustChange }: User): boolean =>
  role === 'administrator' && account === null && !mustChange

/** Whether users can go on without one of them. */
export const canRemove = (users: readonly User[], name: string): boolean =>
  users.some((user) => user.name !== name && isActiveAdministrator(user)) ||
  !users.some((user) => user.name === name && user.role === 'administrator' && user.account === null)
