import { z } from 'zod'
import { failureSchema } from '../../../machines/agent-context.ts'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count, instant } from './schemas.ts'

/** Maximum size of a file: a satellite's request with 100,000 instances, in JSON. */
const MAX_FILE_BYTES = 80 * 1024 * 1024

const redactableFieldSchema = z.enum(['hostnames', 'serial-numbers'])
const syncSchema = z.object({
  satellite: z.string(),
  smartAccount: z.string(),
  status: z.string(),
  exchange: z.string(),
  credential: z.string(),
  fingerprint: z.string(),
  epoch: count,
  lastSyncAt: instant,
  nextSyncAt: instant,
  overdueAt: instant,
  restrictedAt: instant,
  automaticUntil: instant,
  redactedFields: z.array(z.string()).readonly(),
  inDoubt: z.boolean(),
  carried: z.object({ exchange: count, since: z.string() }).readonly().nullable(),
  lastAttempt: z
    .object({ at: z.string(), outcome: z.string(), reason: failureSchema.nullable() })
    .readonly()
    .nullable(),
})
const importedSchema = z.object({
  outcome: z.string(),
  exchange: count,
  registered: z.boolean(),
  restrictedAt: z.string(),
  notices: z.array(z.string()).readonly(),
  failure: failureSchema.nullable(),
})

export const syncContract = {
  'sync-respond': mutation({
    access: 'administrator',
    summary: 'Answers the request file of a satellite. At a manager.',
    schema: {
      body: z.object({ file: z.string().min(1, 'choose the file') }),
      response: z.object({
        file: z.string(),
        satellite: z.string(),
        exchange: count,
        fingerprint: z.string(),
        registered: z.boolean(),
        again: z.boolean(),
        notices: z.array(z.string()).readonly(),
      }),
    },
    bodyLimit: MAX_FILE_BYTES,
  }),
  sync: query({
    access: 'viewer',
    summary: 'Returns the synchronization status. At a satellite.',
    schema: {
      querystring: emptySchema,
      response: syncSchema.extend({
        manager: z
          .object({
            kind: z.enum(['direct', 'gateway', 'proxy']),
            url: z.string(),
            via: z.string().nullable(),
            username: z.string().nullable(),
          })
          .readonly()
          .nullable(),
      }),
    },
  }),
  'sync-now': mutation({
    access: 'administrator',
    summary: 'Synchronizes online, now. At a satellite.',
    schema: { body: emptySchema, response: importedSchema },
  }),
  'sync-export': mutation({
    access: 'administrator',
    summary: 'Creates the request file for the manager. At a satellite.',
    schema: {
      body: z.object({ redactedFields: z.array(redactableFieldSchema).optional() }),
      response: z.object({
        file: z.string(),
        exchange: count,
        report: z.string(),
        instances: count,
        fingerprint: z.string(),
      }),
    },
  }),
  'sync-root': mutation({
    access: 'administrator',
    summary:
      'Returns the fingerprint of the root certificate in an answer file, where an administrator must compare it. At a satellite.',
    schema: {
      body: z.object({ file: z.string().min(1, 'choose the file') }),
      response: z.object({ fingerprint: z.string().nullable() }),
    },
    bodyLimit: MAX_FILE_BYTES,
  }),
  'sync-import': mutation({
    access: 'administrator',
    summary: 'Imports the answer file of the manager. At a satellite.',
    schema: {
      body: z.object({
        file: z.string().min(1, 'choose the file'),
        fingerprint: z.string().max(200).optional(),
      }),
      response: importedSchema,
    },
    bodyLimit: MAX_FILE_BYTES,
  }),
}
