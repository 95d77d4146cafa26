import { z } from 'zod'
import { userRoleSchema } from './users.ts'

export const userNameSchema = z
  .string()
  .trim()
  .min(1, 'a user has a name')
  .max(64, 'a name is at most 64 characters')
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}@._-]*$/u, 'a name contains only letters, digits and @ . _ -')
export const passwordSchema = z.string().min(1, 'give the password').max(1000)

export const userSchema = z.object({
  name: z.string(),
  role: userRoleSchema,
  account: z.string().nullable(),
  virtualAccount: z.string().nullable(),
  mustChange: z.boolean(),
  createdAt: z.string(),
  signedInAt: z.string().nullable(),
})
export const auditEntrySchema = z.object({
  at: z.string(),
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string(),
})
export const createdUserSchema = z.object({ name: z.string(), oneTimePassword: z.string() })
export const emptySchema = z.object({})
