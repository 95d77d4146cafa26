import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { instant } from './schemas.ts'

const hostSchema = z.object({
  user: z.string(),
  license: z.enum(['demo', 'permanent']).nullable(),
  reason: z.enum(['hosting', 'manual']).nullable(),
  assignedAt: instant,
  active: z.boolean(),
  attendeeOnly: z.boolean(),
})
const user = z.string().trim().min(1, 'name the user').max(20_000)
const toUserSubject = (input: { user: string }) => input.user.slice(0, 200)

export const hostContract = {
  hosts: query({
    access: 'viewer',
    summary:
      'Returns a page of the users with a host license, by name. With `all`, returns every known user.',
    schema: {
      querystring: z.object({
        search: z.string().max(200).default(''),
        after: z.string().max(1000).default(''),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
        all: z.stringbool().default(false),
      }),
      response: z.object({ hosts: z.array(hostSchema), more: z.boolean() }),
    },
  }),
  'host-assign': mutation({
    access: 'administrator',
    summary: 'Gives a user a host license.',
    schema: { body: z.object({ user }), response: hostSchema },
    auditSubject: toUserSubject,
  }),
  'host-deactivate': mutation({
    access: 'administrator',
    summary: 'Deactivates a user, which releases the license.',
    schema: { body: z.object({ user }), response: hostSchema },
    auditSubject: toUserSubject,
  }),
  'host-activate': mutation({
    access: 'administrator',
    summary: 'Activates a user again.',
    schema: { body: z.object({ user }), response: hostSchema },
    auditSubject: toUserSubject,
  }),
  'host-attendee-only': mutation({
    access: 'administrator',
    summary: 'Sets or clears the attendee-only restriction of a user.',
    schema: { body: z.object({ user, attendeeOnly: z.boolean() }), response: hostSchema },
    auditSubject: toUserSubject,
  }),
}
