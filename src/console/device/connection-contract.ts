import { z } from 'zod'
import { failureSchema } from '../../../machines/agent-context.ts'
import { mutation, query } from '../../http/procedures.ts'
import { transportSettingsSchema } from '../../transports/transport.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { statusSchema } from './schemas.ts'

const connectionTestSchema = z.object({
  ok: z.boolean(),
  steps: z
    .array(
      z.object({
        step: z.enum(['name', 'connect', 'proxy', 'tls', 'authority', 'signature']),
        outcome: z.enum(['ok', 'failed', 'not-tried', 'not-needed']),
        found: z.string().nullable(),
        failure: failureSchema.nullable(),
      }),
    )
    .readonly(),
  failure: failureSchema.nullable(),
})
const pem = z.object({ pem: z.string().min(1, 'choose the file').max(100_000) })

export const connectionContract = {
  'transport-set': mutation({
    access: 'administrator',
    summary: 'Sets the transport to the authority. Validates and saves the setting without a connection.',
    schema: { body: transportSettingsSchema, response: statusSchema.shape.transport },
    // The URL is left out: it may hold a password.
    auditSubject: ({ kind }) => kind,
  }),
  'transport-test': mutation({
    access: 'administrator',
    summary: 'Tests the given transport, or the current one, step by step.',
    schema: {
      body: z.object({ settings: transportSettingsSchema.optional() }),
      response: connectionTestSchema,
    },
  }),
  trust: query({
    access: 'viewer',
    summary: 'Returns the fingerprint of the root certificate of the authority.',
    schema: { querystring: emptySchema, response: z.object({ fingerprint: z.string().nullable() }) },
  }),
  'trust-install': mutation({
    access: 'administrator',
    summary: 'Installs the root certificate of the authority, as PEM.',
    schema: { body: pem, response: z.object({ fingerprint: z.string().nullable() }) },
  }),
  'tls-ca-install': mutation({
    access: 'administrator',
    summary: 'Adds a trusted certificate for TLS only, as PEM.',
    schema: { body: pem, response: statusSchema.shape.transport },
  }),
}
