import { z } from 'zod'
import { failureSchema } from '../../../machines/agent-context.ts'
import { CONNECTION_STATES, LICENSE_STATES } from '../../../machines/index.ts'

export const instant = z.string().nullable()
export const count = z.number().int()
const datedFailureSchema = failureSchema.extend({ at: z.string() })
const attemptSchema = z
  .object({ at: z.string(), outcome: z.enum(['succeeded', 'failed']), reason: failureSchema.nullable() })
  .nullable()

/** Schema of the deployment size of a conferencing product. */
export const sizeSchema = z.enum(['micro', 'small', 'medium', 'large'])

/** Schema of the Status document, identical to the output of `status --json`. */
export const statusSchema = z.object({
  product: z.object({
    pid: z.string(),
    serial: z.string(),
    version: z.string(),
    size: sizeSchema.optional(),
    ports: count.optional(),
  }),
  state: z.enum(LICENSE_STATES),
  functionality: z.enum(['full', 'license-management-only']),
  functionalityReason: z.string().nullable(),
  registration: z.object({
    status: z.enum([
      'unregistered',
      'registering',
      'retrying',
      'registered',
      'failed',
      'expired',
      'reserved',
    ]),
    smartAccount: z.string().nullable(),
    virtualAccount: z.string().nullable(),
    instanceId: z.string().nullable(),
    exportControlled: z.boolean(),
    registeredAt: instant,
    lastRenewal: attemptSchema,
    nextRenewalAt: instant,
    expiresAt: instant,
    nextAttemptAt: instant,
    failure: datedFailureSchema.nullable(),
  }),
  authorization: z.object({
    status: z.enum([
      'none',
      'evaluation',
      'evaluation-expired',
      'waiting',
      'authorized',
      'out-of-compliance',
      'expired',
      'reserved',
      'not-authorized',
    ]),
    since: z.string(),
    lastAttempt: attemptSchema,
    nextAttemptAt: instant,
    deadlineAt: instant,
  }),
  evaluation: z.object({ running: z.boolean(), expired: z.boolean(), remainingSeconds: z.number() }),
  entitlements: z.array(
    z.object({
      tag: z.string(),
      name: z.string().nullable(),
      description: z.string().nullable(),
      count,
      status: z.enum([
        'evaluation',
        'evaluation-expired',
        'waiting',
        'in-compliance',
        'out-of-compliance',
        'invalid-tag',
        'authorization-expired',
        'not-in-use',
        'reserved-in-compliance',
        'not-authorized',
      ]),
    }),
  ),
  reservation: z.object({
    status: z.enum(['none', 'requested', 'installed', 'returning']),
    requestCode: z.string().nullable(),
    confirmationCode: z.string().nullable(),
    returnCode: z.string().nullable(),
    returned: z.array(z.object({ instanceId: z.string(), returnCode: z.string(), returnedAt: z.string() })),
    entitlements: z.array(
      z.object({ tag: z.string(), name: z.string(), count, endsAt: z.string().nullable() }),
    ),
  }),
  transport: z.object({
    kind: z.enum(['direct', 'gateway', 'proxy']).nullable(),
    url: z.string().nullable(),
    via: z.string().nullable(),
    username: z.string().nullable(),
    link: z.enum(CONNECTION_STATES),
    lastFailure: datedFailureSchema.nullable(),
  }),
  authority: z
    .object({ id: z.string(), role: z.enum(['manager', 'satellite']), test: z.boolean() })
    .nullable(),
  clock: z.object({ trusted: z.boolean(), reason: z.string().nullable() }),
  hosts: z.object({ assigned: count, permanent: count, demo: count }).optional(),
})
