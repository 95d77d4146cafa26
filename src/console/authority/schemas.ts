import { z } from 'zod'

export const instant = z.string().nullable()
export const count = z.number().int()
export const complianceSchema = z.enum(['in-compliance', 'out-of-compliance'])
export const udiSchema = z.object({ pid: z.string(), serial: z.string(), version: z.string() }).readonly()
export const id = z.string().min(1).max(200)
/** A code that a user pastes. */
export const code = z.string().trim().min(1, 'paste the code').max(20_000)
export const createDaysSchema = (least: number, most: number) =>
  z
    .number('give a number of days')
    .int('a whole number')
    .min(least, `at least ${least}`)
    .max(most, `at most ${most}`)

/** The smart account of a call. An authority with one smart account needs no name. */
export const accountInput = z.object({ account: z.string().max(253).optional() })
export const virtualAccountName = z.string().trim().min(1, 'choose a virtual account').max(100)
/** A virtual account of the smart account: without a name all of them, or the default one. */
export const virtualAccountInput = accountInput.extend({ virtualAccount: virtualAccountName.optional() })
/** An object of the smart account, by its id. */
export const objectInput = accountInput.extend({ id })

export const reservedSchema = z.array(z.object({ tag: z.string(), count, endsAt: instant })).readonly()

const countsSchema = z
  .object({ quantity: count, inUse: count, reserved: count, status: complianceSchema })
  .readonly()
/** What a transfer of licenses or of an instance did, or would do. */
export const transferSchema = z.object({
  from: z.string(),
  to: z.string(),
  what: z.string(),
  effects: z
    .array(
      z.object({ virtualAccount: z.string(), tag: z.string(), before: countsSchema, after: countsSchema }),
    )
    .readonly(),
  status: z.enum(['done', 'waiting', 'preview']),
})
