import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import {
  complianceSchema,
  count,
  accountInput,
  instant,
  virtualAccountInput,
  transferSchema,
  virtualAccountName,
} from './schemas.ts'

const licenseSchema = z.object({
  virtualAccount: z.string(),
  tag: z.string(),
  name: z.string(),
  quantity: count,
  inUse: count,
  reserved: count,
  available: count,
  balance: count,
  status: complianceSchema,
})
const transactionSchema = z.object({
  virtualAccount: z.string(),
  tag: z.string(),
  name: z.string(),
  quantity: count,
  type: z.enum(['perpetual', 'term']),
  startsAt: z.string(),
  endsAt: instant,
  source: z.string(),
  status: z.enum(['active', 'expired', 'not-started']),
})

export const licenseContract = {
  licenses: query({
    access: 'viewer',
    summary: 'Returns the pools: purchased, in use, reserved, balance.',
    schema: { querystring: virtualAccountInput, response: z.object({ licenses: z.array(licenseSchema) }) },
  }),
  'license-transactions': query({
    access: 'viewer',
    summary: 'Returns the lots of a pool: orders and transfers, with their terms.',
    schema: {
      querystring: virtualAccountInput.extend({ tag: z.string().max(100).optional() }),
      response: z.object({ transactions: z.array(transactionSchema).readonly() }),
    },
  }),
  'license-transfer': mutation({
    access: 'user',
    summary: 'Transfers licenses to another virtual account. With `preview`, only returns the effect.',
    schema: {
      body: accountInput.extend({
        tag: z.string().max(100),
        quantity: z.number('give a number').int('a whole number').min(1, 'at least 1').max(1_000_000_000),
        from: virtualAccountName,
        to: virtualAccountName,
        preview: z.boolean().default(false),
        confirmed: z.boolean().default(false),
      }),
      response: transferSchema,
    },
    auditSubject: ({ quantity, tag, from, to, preview }) =>
      `${preview ? 'preview: ' : ''}${quantity} of ${tag} from ${from} to ${to}`,
  }),
}
