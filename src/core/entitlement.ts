import { z } from 'zod'

/** The name of a thing that is licensed, as product, agent and authority all write it: `HOST`. */
export const entitlementTagSchema = z
  .string()
  .regex(/^[A-Z0-9][A-Z0-9._-]{0,63}$/, 'an entitlement tag is 1 to 64 capital letters, digits and . _ -')

export const MAX_COUNT = 10_000_000

/** How many of a tag: a whole number from 0 to 10,000,000. */
export const countSchema = z
  .int('a count is a whole number')
  .min(0, 'a count is not negative')
  .max(MAX_COUNT, `a count is at most ${MAX_COUNT}`)

/** How the authority answers for one tag. `overage`, `reserved` and others join when they are built. */
export const answeredStatusSchema = z.enum(['in-compliance', 'out-of-compliance', 'invalid-tag'])

/** One tag as the authority answered it: name and description are its to give (agent-behavior §9.15). */
export const answeredEntitlementSchema = z.strictObject({
  tag: entitlementTagSchema,
  name: z.string().max(200),
  description: z.string().max(1000),
  count: countSchema,
  status: answeredStatusSchema,
})
