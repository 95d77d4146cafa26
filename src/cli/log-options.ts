/** What `--log-level` takes, from the least to the most. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
/** What `--log-format` takes. */
export const LOG_FORMATS = ['json', 'text'] as const
