import { z } from 'zod'
import { mutation, query } from './procedures.ts'
import {
  auditEntrySchema,
  createdUserSchema,
  emptySchema,
  passwordSchema,
  userNameSchema,
  userSchema,
} from './sign-in-schemas.ts'
import { userRoleSchema } from './users.ts'

/** The procedure that signs a user in. The console answers it, because it also sets the session cookie. */
export const signInContract = {
  'sign-in': mutation({
    access: 'open',
    summary:
      'Signs in: sets the session cookie and gives the token that goes with every call in X-Session-Token.',
    schema: {
      body: z.object({ name: z.string().min(1, 'give the name').max(200), password: passwordSchema }),
      response: z.object({ token: z.string(), user: userSchema }),
    },
  }),
}

/** What every console has: sessions, users and the audit record. */
export const accessContract = {
  'sign-out': mutation({
    access: 'signed-in',
    summary: 'Ends this session.',
    schema: { body: emptySchema, response: emptySchema },
  }),
  me: query({
    access: 'signed-in',
    summary: 'Who is signed in.',
    schema: { querystring: emptySchema, response: userSchema },
  }),
  'change-password': mutation({
    access: 'signed-in',
    summary: 'Sets another password for oneself; every other session of the user ends.',
    schema: { body: z.object({ current: passwordSchema, password: passwordSchema }), response: emptySchema },
  }),
  users: query({
    access: 'administrator',
    summary: 'Who may sign in.',
    schema: { querystring: emptySchema, response: z.object({ users: z.array(userSchema) }) },
  }),
  'user-add': mutation({
    access: 'administrator',
    summary: 'Adds a user, with a one-time password that is shown this once.',
    schema: {
      body: z.object({
        name: userNameSchema,
        role: userRoleSchema,
        account: z.string().max(253).nullable().default(null),
        virtualAccount: z.string().max(100).nullable().default(null),
      }),
      response: createdUserSchema,
    },
    auditSubject: (input) => `${input.name}, ${input.role}`,
  }),
  'user-reset': mutation({
    access: 'administrator',
    summary: 'Gives a user a new one-time password; every session of theirs ends.',
    schema: { body: z.object({ name: userNameSchema }), response: createdUserSchema },
    auditSubject: (input) => input.name,
  }),
  'user-remove': mutation({
    access: 'administrator',
    summary: 'Removes a user; every session of theirs ends.',
    schema: { body: z.object({ name: userNameSchema }), response: emptySchema },
    auditSubject: (input) => input.name,
  }),
  audit: query({
    access: 'administrator',
    summary: 'Who did what, and what was refused: the newest first.',
    schema: {
      querystring: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(200) }),
      response: z.object({ audit: z.array(auditEntrySchema) }),
    },
  }),
}
