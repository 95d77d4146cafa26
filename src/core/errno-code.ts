/** Returns the code of a system, database or library error, such as ENOENT. Empty if the error has none. */
export const errnoCode = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
