/** Low scrypt cost for in-process tests, which hash thousands of passwords. */
export const PASSWORD_COST = { N: 2 ** 8, r: 8, p: 1 } as const
