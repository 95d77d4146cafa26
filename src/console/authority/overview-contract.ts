import { z } from 'zod'
import { query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'

export const overviewContract = {
  overview: query({
    access: 'viewer',
    summary:
      'Returns the identity of the authority, its smart accounts, and the license names of its product.',
    schema: {
      querystring: emptySchema,
      response: z.object({
        role: z.enum(['manager', 'satellite']),
        test: z.boolean(),
        accounts: z.array(z.string()),
        fingerprint: z.string().nullable(),
        tags: z.array(z.object({ tag: z.string(), name: z.string() })),
        skus: z.array(z.object({ sku: z.string(), description: z.string(), tag: z.string().nullable() })),
      }),
    },
  }),
}
