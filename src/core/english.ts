import { z } from 'zod'

/**
 * The messages of zod, for each parse whose error is read. A parse without it takes them from `z.config`, which is
 * one for the whole process: a product's `customError` would word our errors, and be shown what we parse.
 */
export const ENGLISH = { error: z.locales.en().localeError }
