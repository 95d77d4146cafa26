import * as z from 'zod/mini'
import type { Event } from '../../machines/agent-machine.types.ts'
import { REFUSAL_CONSEQUENCES } from '../../machines/refusal-consequence.ts'

/** Events that a person, the product or the license server can cause. Time is passed by the run itself. */
export type ExternalEvent = Exclude<Event, { type: 'clock.tick' }>
export type ExternalEventType = ExternalEvent['type']
type Payload<T extends ExternalEventType> = Omit<ExternalEvent & { readonly type: T }, 'type' | 'at'>

const instant = z.number()
const count = z.int().check(z.gte(0))
const name = z.string().check(z.minLength(1))
const failure = z.object({ code: name, message: name, remedy: z.string() })
const refused = z.object({ failure, consequence: z.enum(REFUSAL_CONSEQUENCES) })
const unreachable = z.object({
  failure,
  jitter: z.number().check(z.gte(0), z.lt(1)),
  retryAfter: z.nullable(count),
})
const accounts = { smartAccount: name, virtualAccount: name }
const registration = z.object({
  instanceId: name,
  ...accounts,
  exportControlled: z.boolean(),
  registeredAt: instant,
  expiresAt: instant,
})
const entitlement = z.object({
  tag: name,
  name,
  description: z.string(),
  count,
  status: z.enum(['in-compliance', 'out-of-compliance', 'invalid-tag']),
})
const grant = z.object({
  reservationId: name,
  authorityId: name,
  authorityKey: z.string(),
  ...accounts,
  epoch: z.int(),
  sequence: z.int(),
  issuedAt: instant,
  installedAt: instant,
  reservedAt: instant,
  licenses: z.array(
    z.object({
      tag: name,
      name,
      count,
      endsAt: z.nullable(instant),
      lastWarningSeconds: z.nullable(z.number()),
    }),
  ),
  confirmationCode: z.nullable(z.string()),
  knownAt: instant,
})
const empty = z.object({})

/** Schemas of the payloads of the machine's external events. The forms of “What if” are made from them. */
export const EVENT_SCHEMAS = {
  'registration.start': z.object({ force: z.boolean(), again: z.boolean() }),
  'registration.end': empty,
  'registration.renew': empty,
  'authorization.renew': empty,
  'usage.changed': z.object({ tag: name, count }),
  'product.upgrade': z.object({ version: name, evaluate: z.boolean() }),
  'transport.changed': z.object({ transport: name }),
  'reservation.request': z.object({ requestCode: z.string() }),
  'reservation.cancel': empty,
  'reservation.install': z.object({ grant }),
  'reservation.update': z.object({ grant }),
  'reservation.return-code': z.object({ returnCode: z.string() }),
  'reservation.return': empty,
  'reservation.discard': z.object({
    returned: z.object({ request: z.int(), reservationId: name, returnCode: z.string(), at: instant }),
  }),
  'register.accepted': z.object({ registration }),
  'register.refused': refused,
  'register.unreachable': unreachable,
  'authorize.accepted': z.object({
    compliant: z.boolean(),
    counts: z.record(z.string(), count),
    entitlements: z.array(entitlement),
    deadlineAt: instant,
    nextContactAt: z.nullable(instant),
    ...accounts,
  }),
  'authorize.refused': refused,
  'authorize.unreachable': unreachable,
  'renew.accepted': z.object({ expiresAt: instant }),
  'renew.refused': refused,
  'renew.unreachable': unreachable,
  'acknowledge.accepted': empty,
  'acknowledge.refused': refused,
  'acknowledge.unreachable': unreachable,
  'deregister.accepted': empty,
  'deregister.refused': refused,
  'deregister.unreachable': unreachable,
} satisfies { readonly [T in ExternalEventType]: z.core.$ZodType<Payload<T>> & { safeParse: unknown } }

/** Fields that hold codes or keys. A form never asks for them. */
export const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'requestCode',
  'returnCode',
  'confirmationCode',
  'authorityKey',
])
