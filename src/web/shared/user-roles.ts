import type { UserRole } from '../../http/user-roles.ts'

export const USER_ROLES = [
  'administrator',
  'account-administrator',
  'user',
  'viewer',
] as const satisfies readonly UserRole[]

/** Returns true if a role administers accounts, with or without the right to order licenses. */
export const isAdministering = (role: UserRole): boolean =>
  role === 'administrator' || role === 'account-administrator'
