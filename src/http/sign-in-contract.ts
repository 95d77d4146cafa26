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

/** Procedure that signs a user in. The console itself answers it, because the response sets the session cookie. */
export const signInContract = {
  'sign-in': mutation({
    access: 'open',
    summary:
      'Signs in: sets the session cookie and returns the token to send in X-Session-Token with every call.',
    schema: {
      body: z.object({ name: z.string().min(1, 'give the name').max(200), password: passwordSchema }),
      response: z.object({ token: z.string(), user: userSchema }),
    },
  }),
}

/** Procedures of every console: sessions, users and audit entries. */
export const accessContract = {
  'sign-out': mutation({
    access: 'signed-in',
    summary: 'Ends this session.',
    schema: { body: emptySchema, response: emptySchema },
  }),
  me: query({
    access: 'signed-in',
    summary: 'Returns the signed-in user.',
    schema: { querystring: emptySchema, response: userSchema },
  }),
  'change-password': mutation({
    access: 'signed-in',
    summary: "Changes the caller's password and ends the caller's other sessions.",
    schema: { body: z.object({ current: passwordSchema, password: passwordSchema }), response: emptySchema },
  }),
  users: query({
    access: 'administrator',
    summary: 'Lists the users.',
    schema: { querystring: emptySchema, response: z.object({ users: z.array(userSchema) }) },
  }),
  'user-add': mutation({
    access: 'administrator',
    summary: 'Adds a user with a one-time password, which is shown only once.',
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
    summary: "Sets a new one-time password for a user and ends the user's sessions.",
    schema: { body: z.object({ name: userNameSchema }), response: createdUserSchema },
    auditSubject: (input) => input.name,
  }),
  'user-remove': mutation({
    access: 'administrator',
    summary: "Removes a user and ends the user's sessions.",
    schema: { body: z.object({ name: userNameSchema }), response: emptySchema },
    auditSubject: (input) => input.name,
  }),
  audit: query({
    access: 'administrator',
    summary: 'Lists the audit entries, newest first.',
    schema: {
      querystring: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(200) }),
      response: z.object({ audit: z.array(auditEntrySchema) }),
    },
  }),
}
