/** Path, below the manager's URL, that a satellite posts its request to. */
export const SYNC_PATH = '/satellite/v1/synchronize'

/** Limit of a request or an answer. */
export const MAX_SYNC_BYTES = 64 * 1024 * 1024

/** Limit of the first request of a satellite, which reports no instances. */
export const MAX_FIRST_REQUEST_BYTES = 256 * 1024
