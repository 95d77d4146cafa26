/** scrypt parameters recommended by OWASP: N = 2^15 and p = 3 take 32 MiB and tens of milliseconds for each hash. */
export const PASSWORD_COST = { N: 2 ** 15, r: 8, p: 3 } as const
