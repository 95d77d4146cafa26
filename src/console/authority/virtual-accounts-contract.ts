import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { accountInput, virtualAccountName } from './schemas.ts'

const virtualAccountSchema = z.object({
  name: z.string(),
  isDefault: z.boolean(),
  satellite: z.string().nullable(),
  upstream: z.string().nullable(),
})

export const virtualAccountContract = {
  'virtual-accounts': query({
    access: 'viewer',
    summary: 'Returns the virtual accounts of a smart account.',
    schema: {
      querystring: accountInput,
      response: z.object({ virtualAccounts: z.array(virtualAccountSchema) }),
    },
  }),
  'virtual-account-add': mutation({
    access: 'account-administrator',
    summary: 'Adds a virtual account, with `satellite` for that satellite.',
    schema: {
      body: accountInput.extend({
        name: z.string().trim().min(1, 'give the name').max(100, 'at most 100 characters'),
        satellite: z.string().optional(),
      }),
      response: emptySchema,
    },
    auditSubject: ({ name }) => name,
  }),
  'virtual-account-remove': mutation({
    access: 'account-administrator',
    summary: 'Removes an empty virtual account.',
    schema: { body: accountInput.extend({ name: virtualAccountName }), response: emptySchema },
    auditSubject: ({ name }) => name,
  }),
  'virtual-account-default': mutation({
    access: 'account-administrator',
    summary: 'Sets the default virtual account.',
    schema: { body: accountInput.extend({ name: virtualAccountName }), response: emptySchema },
    auditSubject: ({ name }) => name,
  }),
}
