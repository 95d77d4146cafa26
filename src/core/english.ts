import { z } from 'zod'

/**
 * Parse options with zod's English messages, for each parse whose error is shown. Without them, zod uses the process-wide
 * `z.config`. Then a product's `customError` would change these messages and receive the parsed values.
 */
export const ENGLISH = { error: z.locales.en().localeError }
