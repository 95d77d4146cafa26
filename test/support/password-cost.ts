/** Stands in for the product's cost in tests that run in one process: these hash thousands of passwords. */
export const PASSWORD_COST = { N: 2 ** 8, r: 8, p: 1 } as const
