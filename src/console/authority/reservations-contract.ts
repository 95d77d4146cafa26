import { z } from 'zod'
import { mutation } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import {
  code,
  count,
  accountInput,
  instant,
  virtualAccountInput,
  reservedSchema,
  udiSchema,
  objectInput,
} from './schemas.ts'

const quantities = z
  .record(
    z.string().max(100),
    z.number().int('a whole number').min(0, 'a quantity is 0 or more').max(1_000_000_000),
  )
  .refine((licenses) => Object.keys(licenses).length <= 100, 'too many licenses')
const reservationSchema = z.object({
  instanceId: z.string(),
  udi: udiSchema,
  virtualAccount: z.string(),
  status: z.enum(['active', 'returned', 'lost']),
  authorization: count,
  pending: z.boolean(),
  reservedAt: z.string(),
  updatedAt: z.string(),
  endedAt: instant,
  licenses: reservedSchema,
  previous: reservedSchema,
})
const issuedSchema = reservationSchema.extend({ file: z.string(), recommendation: z.string().nullable() })

export const reservationContract = {
  'reservation-enable': mutation({
    access: 'administrator',
    summary: 'Authorizes a smart account for specific license reservation.',
    schema: { body: accountInput, response: emptySchema },
  }),
  reserve: mutation({
    access: 'user',
    summary: 'Reserves licenses for the device of a request code, and creates its authorization file.',
    schema: {
      body: virtualAccountInput.extend({ request: code, licenses: quantities }),
      response: issuedSchema,
    },
    auditSubject: ({ licenses }) => formatQuantities(licenses),
  }),
  'reservation-update': mutation({
    access: 'user',
    summary: 'Changes the quantities of a reservation, and creates its next authorization file.',
    schema: { body: objectInput.extend({ licenses: quantities }), response: issuedSchema },
    auditSubject: (input) => `${input.id}: ${formatQuantities(input.licenses)}`,
  }),
  'reservation-confirm': mutation({
    access: 'user',
    summary: 'Accepts the confirmation code of an update.',
    schema: { body: objectInput.extend({ code }), response: reservationSchema },
    auditSubject: ({ id }) => id,
  }),
  'reservation-file': mutation({
    access: 'user',
    summary: 'Signs the newest authorization file of a reservation again.',
    schema: { body: objectInput, response: z.object({ file: z.string().nullable() }) },
    auditSubject: ({ id }) => id,
  }),
}

function formatQuantities(licenses: Record<string, number>): string {
  return Object.entries(licenses)
    .map(([tag, quantity]) => `${quantity} of ${tag}`)
    .join(', ')
}
