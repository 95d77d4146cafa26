/** Cost of one password hash by scrypt: 32 MiB and some tens of milliseconds (OWASP's parameters, N = 2^15, p = 3). */
export const PASSWORD_COST = { N: 2 ** 15, r: 8, p: 3 } as const
