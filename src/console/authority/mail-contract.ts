import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count } from './schemas.ts'

const mailSchema = z.object({
  settings: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('folder'), from: z.string(), folder: z.string() }),
      z.object({
        kind: z.literal('smtp'),
        from: z.string(),
        url: z.string(),
        username: z.string().nullable(),
      }),
    ])
    .nullable(),
  waiting: count,
  failure: z.string().nullable(),
})

export const mailContract = {
  mail: query({
    access: 'administrator',
    summary: 'Returns the mail settings and the status of the outbox.',
    schema: { querystring: emptySchema, response: mailSchema },
  }),
  'mail-set': mutation({
    access: 'administrator',
    summary: 'Sets the mail transport: an SMTP server, or a folder of the server.',
    schema: {
      body: z.discriminatedUnion('kind', [
        z.object({
          kind: z.literal('smtp'),
          from: z.string().trim().min(1, 'give the address'),
          url: z.string().max(2048),
          username: z.string().max(1000).optional(),
          password: z.string().max(1000).optional(),
        }),
        z.object({
          kind: z.literal('folder'),
          from: z.string().trim().min(1, 'give the address'),
          folder: z.string().min(1, 'name the folder').max(1000),
        }),
      ]),
      response: mailSchema,
    },
    auditSubject: ({ kind }) => kind,
  }),
}
