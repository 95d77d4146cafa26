/** Returns the code of an error of the system, the database or a library, such as ENOENT; empty where it has none. */
export const errnoCode = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
