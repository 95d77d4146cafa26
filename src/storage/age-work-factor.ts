/**
 * Cost of one guess of a passphrase, as a power of two: N = 2^18 of scrypt (RFC 7914), 256 MiB and some seconds in
 * JavaScript. The `age` command uses the same.
 */
export const AGE_WORK_FACTOR = 18
