export const USER_ROLES = ['administrator', 'account-administrator', 'user', 'viewer'] as const
/**
 * Role of a user. An administrator may do everything. An account administrator of an authority manages virtual accounts
 * and satellites, but neither orders licenses nor authorizes reservation. A user may manage licenses, and a viewer may
 * only read.
 */
export type UserRole = (typeof USER_ROLES)[number]

/** Returns true if a role administers accounts, with or without the right to order licenses. */
export const isAdministering = (role: UserRole): boolean =>
  role === 'administrator' || role === 'account-administrator'
