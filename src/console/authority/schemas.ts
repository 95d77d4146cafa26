import { z } from 'zod'

export const instant = z.string().nullable()
export const count = z.number().int()
export const complianceSchema = z.enum(['in-compliance', 'out-of-compliance'])
export const udiSchema = z.object({ pid: z.string(), serial: z.string(), version: z.string() }).readonly()
export const id = z.string().min(1).max(200)
export const code = z.string().trim().min(1, 'paste the code').max(20_000)
export const createDaysSchema = (least: number, most: number) =>
  z
    .number('give a number of days')
    .int('a whole number')
    .min(least, `at least ${least}`)
    .max(most, `at most ${most}`)

/** Schema of the smart account of a call, optional where the authority has only one. */
export const accountInput = z.object({ account: z.string().max(253).optional() })
export const virtualAccountName = z.string().trim().min(1, 'choose a virtual account').max(100)
/** Schema of the virtual account of a call. Without a name a call uses all, or the default one. */
export const virtualAccountInput = accountInput.extend({ virtualAccount: virtualAccountName.optional() })
/** Schema of an object of the smart account, by its id. */
export const objectInput = accountInput.extend({ id })

export const reservedSchema = z.array(z.object({ tag: z.string(), count, endsAt: instant })).readonly()

const countsSchema = z
  .object({ quantity: count, inUse: count, reserved: count, status: complianceSchema })
  .readonly()
/** Schema of the effect of a transfer, or of its preview. */
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
