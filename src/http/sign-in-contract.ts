import { z } from 'zod'
import { act, read } from './contract.ts'
import { roleSchema } from './users.ts'

/** The calls that both pages have: signing in, and who may. */

export const userName = z
  .string()
  .trim()
  .min(1, 'a user has a name')
  .max(64, 'a name is at most 64 characters')
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}@._-]*$/u, 'a name holds letters, digits and @ . _ - only')
const password = z.string().min(1, 'give the password').max(1000)

export const userSchema = z.object({
  name: z.string(),
  role: roleSchema,
  account: z.string().nullable(),
  virtualAccount: z.string().nullable(),
  mustChange: z.boolean(),
  createdAt: z.string(),
  signedInAt: z.string().nullable(),
})
const deedSchema = z.object({
  at: z.string(),
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string(),
})
const madeSchema = z.object({ name: z.string(), oneTimePassword: z.string() })
export const nothing = z.object({})

export const commonContract = {
  'sign-in': act({
    access: 'open',
    summary:
      'Signs in: sets the session cookie and gives the token that goes with every call in X-Session-Token.',
    input: z.object({ name: z.string().min(1, 'give the name').max(200), password }),
    output: z.object({ token: z.string(), user: userSchema }),
  }),
  'sign-out': act({
    access: 'signed-in',
    summary: 'Ends this session.',
    input: nothing,
    output: nothing,
  }),
  me: read({
    access: 'signed-in',
    summary: 'Who is signed in.',
    input: nothing,
    output: userSchema,
  }),
  'change-password': act({
    access: 'signed-in',
    summary: 'Sets another password for oneself; every other session of the user ends.',
    input: z.object({ current: password, password }),
    output: nothing,
  }),
  users: read({
    access: 'administrator',
    summary: 'Who may sign in.',
    input: nothing,
    output: z.object({ users: z.array(userSchema) }),
  }),
  'user-add': act({
    access: 'administrator',
    summary: 'Adds a user, with a one-time password that is shown this once.',
    input: z.object({
      name: userName,
      role: roleSchema,
      account: z.string().max(253).nullable().default(null),
      virtualAccount: z.string().max(100).nullable().default(null),
    }),
    output: madeSchema,
    about: (input) => `${input.name}, ${input.role}`,
  }),
  'user-reset': act({
    access: 'administrator',
    summary: 'Gives a user a new one-time password; every session of theirs ends.',
    input: z.object({ name: userName }),
    output: madeSchema,
    about: (input) => input.name,
  }),
  'user-remove': act({
    access: 'administrator',
    summary: 'Removes a user; every session of theirs ends.',
    input: z.object({ name: userName }),
    output: nothing,
    about: (input) => input.name,
  }),
  audit: read({
    access: 'administrator',
    summary: 'Who did what, and what was refused: the newest first.',
    input: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(200) }),
    output: z.object({ audit: z.array(deedSchema) }),
  }),
}
