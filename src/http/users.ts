import { z } from 'zod'
import type { Instant } from '../core/time.ts'
import { USER_ROLES, type UserRole } from './user-roles.ts'

export const userRoleSchema = z.enum(USER_ROLES)

/** User of a console. */
export interface User {
  readonly name: string
  readonly role: UserRole
  /** Smart account that a user of an authority is limited to; null for all. */
  readonly account: string | null
  /** Virtual account that the user is limited to; null for all. */
  readonly virtualAccount: string | null
  /** Hash of the password. */
  readonly password: string
  /** True for a one-time password, which only permits the user to set another password. */
  readonly mustChange: boolean
  readonly createdAt: Instant
  readonly signedInAt: Instant | null
}

/** Audit entry of an action or a denial. */
export interface AuditEntry {
  readonly at: Instant
  /** Name of the user; null for an unauthenticated client. */
  readonly who: string | null
  readonly address: string
  readonly action: string
  /** Public name of the object of the action. */
  readonly subject: string
  /** `done`, or the error code of the denial. */
  readonly outcome: string
}

/** Fields of a user that can be changed. */
export type UserChange = Partial<Pick<User, 'password' | 'mustChange' | 'signedInAt'>>

/** Store of users and audit entries. Each call is atomic. */
export interface UserStore {
  find(name: string): Promise<User | null>
  list(): Promise<User[]>
  /** Adds a user; returns false if the name exists. */
  add(user: User): Promise<boolean>
  /** Adds the first user; returns false if there is any user. @param keep called before the user is stored */
  addFirst(user: User, keep: () => void): Promise<boolean>
  /** Changes a user; returns false if the user was removed or the stored password hash is not `password`. */
  change(name: string, password: string, change: UserChange): Promise<boolean>
  /** Removes a user, except for the last active administrator; see `canRemove`. */
  remove(name: string): Promise<'removed' | 'unknown' | 'last'>
  record(entry: AuditEntry): Promise<void>
  /** Returns the newest entries, newest first. */
  auditEntries(limit: number): Promise<AuditEntry[]>
}

/** Tells whether a user is an administrator of all accounts with a password of their own. */
const isActiveAdministrator = ({ role, account, mustChange }: User): boolean =>
  role === 'administrator' && account === null && !mustChange

/** Tells whether a user can be removed without removing the last active administrator. */
export const canRemove = (users: readonly User[], name: string): boolean =>
  users.some((user) => user.name !== name && isActiveAdministrator(user)) ||
  !users.some((user) => user.name === name && user.role === 'administrator' && user.account === null)
