import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count, createDaysSchema, virtualAccountInput, objectInput } from './schemas.ts'

const tokenSchema = z.object({
  /** Null for users without permission to create tokens. */
  token: z.string().nullable(),
  id: z.string(),
  virtualAccount: z.string(),
  description: z.string(),
  expiresAt: z.string(),
  maxUses: count,
  uses: count,
  exportControlled: z.boolean(),
  status: z.enum(['valid', 'expired', 'revoked', 'exhausted', 'in-doubt']),
  createdBy: z.string().nullable(),
})

export const tokenContract = {
  tokens: query({
    access: 'viewer',
    summary: 'Returns the product instance registration tokens.',
    schema: { querystring: virtualAccountInput, response: z.object({ tokens: z.array(tokenSchema) }) },
  }),
  'token-create': mutation({
    access: 'user',
    summary: 'Creates a registration token.',
    schema: {
      body: virtualAccountInput.extend({
        description: z.string().max(200, 'at most 200 characters').default(''),
        days: createDaysSchema(1, 365),
        maxUses: z
          .number('give a number')
          .int('a whole number')
          .min(1, 'at least 1')
          .max(4000, 'at most 4000')
          .optional(),
        exportControlled: z.boolean().default(false),
        agreement: z.literal(true, 'the terms and conditions must be agreed to'),
      }),
      response: tokenSchema,
    },
    auditSubject: ({ virtualAccount = '', description }) => `${virtualAccount}: ${description}`,
  }),
  'token-revoke': mutation({
    access: 'user',
    summary: 'Revokes a token. Instances registered with it stay registered.',
    schema: { body: objectInput, response: emptySchema },
    auditSubject: ({ id }) => id,
  }),
}
