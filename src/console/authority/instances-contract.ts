import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import {
  code,
  count,
  instant,
  virtualAccountInput,
  reservedSchema,
  transferSchema,
  udiSchema,
  virtualAccountName,
  objectInput,
} from './schemas.ts'

const instanceSchema = z.object({
  id: z.string(),
  udi: udiSchema,
  hostname: z.string().nullable(),
  virtualAccount: z.string(),
  satellite: z.string().nullable(),
  status: z.enum(['in-compliance', 'out-of-compliance', 'reserved']),
  exportControlled: z.boolean(),
  registeredAt: z.string(),
  lastContactAt: instant,
  expiresAt: instant,
  entitlements: z
    .array(
      z.object({
        tag: z.string(),
        count,
        status: z.enum(['in-compliance', 'out-of-compliance', 'reserved']),
      }),
    )
    .readonly(),
  reservation: z
    .object({
      authorization: count,
      pending: z.boolean(),
      licenses: reservedSchema,
      previous: reservedSchema,
    })
    .readonly()
    .nullable(),
})

export const instanceContract = {
  instances: query({
    access: 'viewer',
    summary:
      'Returns a page of the product instances. `search` is a part of the name, the serial number or the product.',
    schema: {
      querystring: virtualAccountInput.extend({
        search: z.string().max(200).default(''),
        skip: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      response: z.object({ instances: z.array(instanceSchema).readonly(), total: count }),
    },
  }),
  instance: query({
    access: 'viewer',
    summary: 'Returns one product instance.',
    schema: { querystring: objectInput, response: instanceSchema },
  }),
  'instance-transfer': mutation({
    access: 'user',
    summary: 'Moves an instance to another virtual account. With `preview`, only returns the effect.',
    schema: {
      body: objectInput.extend({
        to: virtualAccountName,
        preview: z.boolean().default(false),
        confirmed: z.boolean().default(false),
      }),
      response: transferSchema,
    },
    auditSubject: (input) => `${input.preview ? 'preview: ' : ''}${input.id} to ${input.to}`,
  }),
  'instance-remove': mutation({
    access: 'user',
    summary:
      'Removes an instance and returns its licenses to the pool. A reserved instance needs its return code.',
    schema: { body: objectInput.extend({ returnCode: code.optional() }), response: emptySchema },
    auditSubject: ({ id }) => id,
  }),
  'instance-write-off': mutation({
    access: 'account-administrator',
    summary:
      'Removes the instance of a lost device without its return code. The user and the reason are recorded.',
    schema: {
      body: objectInput.extend({ reason: z.string().trim().min(1, 'give the reason').max(500) }),
      response: emptySchema,
    },
    auditSubject: (input) => `${input.id}: ${input.reason}`,
  }),
}
