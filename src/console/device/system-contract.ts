import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count, sizeSchema } from './schemas.ts'

const systemSchema = z.object({
  size: sizeSchema,
  ports: count,
  portsInUse: count,
  extended: z.boolean(),
  role: z.enum(['single', 'primary', 'joined']),
  dataCenters: z.array(z.string()).readonly(),
  primary: z.string().nullable(),
  licenses: z.record(z.string(), z.number()).readonly(),
})

export const systemContract = {
  system: query({
    access: 'viewer',
    summary: 'Returns the size, capacity and data centers of the system.',
    schema: { querystring: emptySchema, response: systemSchema },
  }),
  'system-size': mutation({
    access: 'administrator',
    summary: 'Sets the deployment size.',
    schema: { body: z.object({ size: systemSchema.shape.size }), response: systemSchema },
    auditSubject: ({ size }) => size,
  }),
  'system-extend': mutation({
    access: 'administrator',
    summary: 'Extends a large system to extra large, which needs a license.',
    schema: { body: emptySchema, response: systemSchema },
  }),
  'system-reduce': mutation({
    access: 'administrator',
    summary: 'Reduces an extra large system to large.',
    schema: { body: emptySchema, response: systemSchema },
  }),
  'system-join': mutation({
    access: 'administrator',
    summary: 'Joins a data center to this one, with its licenses.',
    schema: {
      body: z.object({ dataCenter: z.string().trim().min(1, 'name the data center').max(200) }),
      response: systemSchema,
    },
    auditSubject: ({ dataCenter }) => dataCenter,
  }),
  'system-leave': mutation({
    access: 'administrator',
    summary: 'Removes a data center from the system.',
    schema: { body: z.object({ dataCenter: z.string().max(200).optional() }), response: systemSchema },
    auditSubject: ({ dataCenter = '' }) => dataCenter,
  }),
}
