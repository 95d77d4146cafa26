import { z } from 'zod'
import { mutation, query } from '../../http/procedures.ts'
import { count, createDaysSchema, id, accountInput, instant, virtualAccountInput } from './schemas.ts'

const orderSchema = z.object({
  id: z.string(),
  status: z.enum(['fulfilled', 'waiting', 'escalated']),
  sku: z.string().nullable(),
  tag: z.string().nullable(),
  version: z.string().nullable(),
  quantity: count,
  virtualAccount: z.string().nullable(),
  endsAt: instant,
  buyer: z.string().nullable(),
  placedAt: z.string(),
  reminders: count,
  nextReminderAt: instant,
})

export const orderContract = {
  orders: query({
    access: 'viewer',
    summary: 'Returns the orders, including those that wait for a smart account.',
    schema: { querystring: accountInput, response: z.object({ orders: z.array(orderSchema) }) },
  }),
  'order-place': mutation({
    access: 'administrator',
    summary: 'Orders licenses by SKU or tag, perpetual or for a term. At a manager.',
    schema: {
      body: virtualAccountInput.extend({
        sku: z.string().max(100).optional(),
        tag: z.string().max(100).optional(),
        quantity: z.number('give a number').int('a whole number').min(1, 'at least 1').max(1_000_000_000),
        termDays: createDaysSchema(1, 36_500).optional(),
      }),
      response: orderSchema,
    },
    auditSubject: ({ quantity, sku, tag = '' }) => `${quantity} of ${sku ?? tag}`,
  }),
  'order-assign': mutation({
    access: 'administrator',
    summary: 'Assigns a waiting order to a virtual account. At a manager.',
    schema: { body: virtualAccountInput.extend({ id }), response: orderSchema },
    auditSubject: ({ id }) => id,
  }),
}
