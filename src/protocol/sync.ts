/** The path that a satellite's request is posted to, below the manager's URL. */
export const SYNC_PATH = '/satellite/v1/synchronize'

/** The characters of a request or an answer at most. */
export const MAX_SYNC_BYTES = 64 * 1024 * 1024

/** The characters of a request of a satellite that is not known yet: a first request reports no instances. */
export const MAX_FIRST_REQUEST_BYTES = 256 * 1024
