/** Values of `--log-level`, from the least to the most verbose. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
/** Values of `--log-format`. */
export const LOG_FORMATS = ['json', 'text'] as const
