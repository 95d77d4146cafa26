import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { count, createDaysSchema, accountInput, instant, virtualAccountName } from './schemas.ts'

const satelliteName = z.string().trim().min(1, 'give the name').max(100)
const terms = z
  .object({
    warnDays: createDaysSchema(1, 3650),
    restrictDays: createDaysSchema(1, 3650),
    credentialDays: createDaysSchema(1, 3650),
  })
  .partial()
const tlsNames = z.array(z.string().trim().min(1).max(260)).max(100)
const satelliteSchema = z.object({
  name: z.string(),
  status: z.enum(['waiting', 'current', 'overdue', 'expired', 'removed']),
  virtualAccounts: z.array(z.string()).readonly(),
  fingerprint: z.string().nullable(),
  exchanges: count,
  lastSyncAt: instant,
  overdueAt: instant,
  restrictedAt: instant,
  automaticUntil: instant,
  terms: z.object({ warnDays: count, restrictDays: count, credentialDays: count }).readonly(),
  tlsNames: z.array(z.string()).readonly().nullable(),
  certifiedNames: z.array(z.string()).readonly(),
  instances: z.object({ registered: count, reserved: count }).readonly(),
  reclaims: z
    .array(
      z.object({
        tag: z.string(),
        quantity: count,
        to: z.string(),
        requestedAt: z.string(),
        notified: z.boolean(),
      }),
    )
    .readonly(),
})

export const satelliteContract = {
  satellites: query({
    access: 'viewer',
    summary: 'Returns the satellites of a manager and their status.',
    schema: { querystring: accountInput, response: z.object({ satellites: z.array(satelliteSchema) }) },
  }),
  'satellite-add': mutation({
    access: 'account-administrator',
    summary: 'Adds a satellite, which takes over the virtual account. At a manager.',
    schema: {
      body: accountInput.extend({
        name: satelliteName,
        virtualAccount: virtualAccountName,
        terms: terms.default({}),
        tlsNames: tlsNames.nullable().optional(),
      }),
      response: satelliteSchema.extend({ code: z.string() }),
    },
    auditSubject: ({ name }) => name,
  }),
  'satellite-code': mutation({
    access: 'account-administrator',
    summary: 'Creates another one-time code for a first online exchange. At a manager.',
    schema: {
      body: accountInput.extend({ name: satelliteName }),
      response: z.object({ name: z.string(), code: z.string(), expiresAt: z.string() }),
    },
    auditSubject: ({ name }) => name,
  }),
  'satellite-set': mutation({
    access: 'account-administrator',
    summary:
      'Changes the periods and server names of a satellite, which learns them at its next exchange. At a manager.',
    schema: {
      body: accountInput.extend({ name: satelliteName, terms, tlsNames: tlsNames.nullable().optional() }),
      response: satelliteSchema,
    },
    auditSubject: ({ name }) => name,
  }),
  'satellite-remove': mutation({
    access: 'account-administrator',
    summary: 'Removes a satellite. Its virtual accounts return to the manager.',
    schema: { body: accountInput.extend({ name: satelliteName }), response: satelliteSchema },
    auditSubject: ({ name }) => name,
  }),
}
