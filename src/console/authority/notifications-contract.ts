import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count, id, accountInput, virtualAccountInput } from './schemas.ts'

const notificationSchema = z.object({
  id: z.string(),
  recipient: z.string(),
  virtualAccount: z.string().nullable(),
  daily: z.boolean(),
  status: z.boolean(),
  expiring: z.array(count).readonly(),
})

export const notificationContract = {
  notifications: query({
    access: 'viewer',
    summary: 'Returns the e-mail notifications: all for administrators, otherwise the caller’s own.',
    schema: {
      querystring: virtualAccountInput,
      response: z.object({ notifications: z.array(notificationSchema), own: z.string().nullable() }),
    },
  }),
  'notification-set': mutation({
    access: 'viewer',
    summary:
      'Sets the notifications of an address: the caller’s own, where the user name is an e-mail address, or for administrators any address in the domain of the smart account.',
    schema: {
      body: virtualAccountInput.extend({
        recipient: z.string().trim().min(1, 'give the address').max(254),
        daily: z.boolean().default(false),
        status: z.boolean().default(false),
        expiring: z.array(z.number().int()).max(10).default([]),
      }),
      response: notificationSchema,
    },
    auditSubject: ({ recipient }) => recipient,
  }),
  'notification-remove': mutation({
    access: 'viewer',
    summary: 'Removes a notification: the caller’s own, or for administrators any.',
    schema: { body: accountInput.extend({ id }), response: emptySchema },
    auditSubject: ({ id }) => id,
  }),
}
