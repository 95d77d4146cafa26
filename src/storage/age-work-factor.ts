/**
 * Exponent of the scrypt work factor (RFC 7914): N = 2^18 takes 256 MiB and a few seconds in JavaScript for each
 * passphrase. The `age` command uses the same value.
 */
export const AGE_WORK_FACTOR = 18
