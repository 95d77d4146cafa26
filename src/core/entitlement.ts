import { z } from 'zod'
import { createDisplayTextSchema } from './display-text.ts'

/** Entitlement tag: the name of a license in product, agent and authority, such as `HOST`. */
export const entitlementTagSchema = z
  .string()
  .regex(/^[A-Z0-9][A-Z0-9._-]{0,63}$/, 'an entitlement tag has 1 to 64 capital letters, digits and . _ -')

export const MAX_COUNT = 10_000_000

/** Number of licenses of a tag: a whole number from 0 to 10,000,000. */
export const countSchema = z
  .int('a count is a whole number')
  .min(0, 'a count is not negative')
  .max(MAX_COUNT, `a count is at most ${MAX_COUNT}`)

/** Compliance of one tag in an answer of the authority. */
export const answeredStatusSchema = z.enum(['in-compliance', 'out-of-compliance', 'invalid-tag'])

/** Entitlement in an answer of the authority, which also defines name and description. */
export const answeredEntitlementSchema = z.strictObject({
  tag: entitlementTagSchema,
  name: createDisplayTextSchema(200),
  description: createDisplayTextSchema(1000),
  count: countSchema,
  status: answeredStatusSchema,
})
