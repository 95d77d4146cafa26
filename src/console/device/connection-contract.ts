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
    summary: 'Sets the way to the authority. Checks its form and saves it; makes no connection.',
    schema: { body: transportSettingsSchema, response: statusSchema.shape.transport },
    // The URL is left out: it may hold a password.
    auditSubject: ({ kind }) => kind,
  }),
  'transport-test': mutation({
    access: 'administrator',
    summary: 'Walks the way to the authority step by step: the one given, or the one in force.',
    schema: {
      body: z.object({ settings: transportSettingsSchema.optional() }),
      response: connectionTestSchema,
    },
  }),
  trust: query({
    access: 'viewer',
    summary: 'The fingerprint of the root certificate that the authority is checked by.',
    schema: { querystring: emptySchema, response: z.object({ fingerprint: z.string().nullable() }) },
  }),
  'trust-install': mutation({
    access: 'administrator',
    summary: 'Installs the root certificate of the authority, as PEM.',
    schema: { body: pem, response: z.object({ fingerprint: z.string().nullable() }) },
  }),
  'tls-ca-install': mutation({
    access: 'administrator',
    summary: 'Trusts a further certificate for TLS alone, as PEM.',
    schema: { body: pem, response: statusSchema.shape.transport },
  }),
}
