import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import type { SmartAgent } from './agent.ts'

/**
 * What can be asked of an agent from outside: the same table behind the control socket and behind a command
 * that opens the data directory itself.
 */
interface Verb {
  /** A reader never connects to the authority; the others do what is due first. */
  readonly reads: boolean
  readonly call: (agent: SmartAgent, params: unknown) => unknown
}

/** A verb whose parameters are checked where they come in. */
const verb = <P>(
  reads: boolean,
  schema: z.ZodType<P>,
  run: (agent: SmartAgent, params: P) => unknown,
): Verb => ({
  reads,
  call: (agent, params) => {
    const parsed = schema.safeParse(params ?? {}, ENGLISH)
    if (parsed.success) return run(agent, parsed.data)
    const [issue] = parsed.error.issues
    const where = issue?.path.join('.') ?? ''
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `${where || 'The request'}: ${issue?.message ?? 'not of its form'}.`,
    )
  },
})

const url = z.string().max(2048)
const settings = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['direct', 'gateway']), url }),
  z.object({
    kind: z.literal('proxy'),
    url,
    via: url,
    username: z.string().max(1000).optional(),
    password: z.string().max(1000).optional(),
  }),
])
const none = z.object({})
const file = z.object({ file: z.string().max(200_000) })
const name = z.string().max(20_000)
const user = z.object({ user: name })
const attendance = z.object({ id: name, user: name })
const wait = z.boolean().default(true)
const registration = z.object({ token: z.string().max(100_000), force: z.boolean().default(false), wait })

export const verbs = {
  status: verb(true, none, (agent) => agent.status()),
  explain: verb(true, none, (agent) => agent.explain()),
  history: verb(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100), after: z.int().min(0).default(0) }),
    (agent, { limit, after }) => agent.history(limit, after),
  ),
  'transport-set': verb(true, settings, (agent, settings) => agent.transport.set(settings)),
  'transport-test': verb(true, z.object({ settings: settings.optional() }), (agent, { settings }) =>
    agent.transport.test(settings ? { settings } : {}),
  ),
  'tls-ca-install': verb(true, z.object({ pem: z.string().max(100_000) }), async (agent, { pem }) => {
    await agent.trust.installTlsCa(pem)
    return agent.status().transport
  }),
  'trust-show': verb(true, none, (agent) => ({
    trust: agent.trust.anchor(),
    bundle: agent.trust.rootVersion(),
  })),
  'trust-install': verb(true, z.object({ pem: z.string().max(100_000) }), async (agent, { pem }) => {
    await agent.trust.install(pem)
    return { trust: agent.trust.anchor(), bundle: agent.trust.rootVersion() }
  }),
  register: verb(false, registration, (agent, { token, ...options }) => agent.register(token, options)),
  reregister: verb(false, registration, (agent, { token, ...options }) => agent.reregister(token, options)),
  deregister: verb(false, z.object({ wait }), (agent, options) => agent.deregister(options)),
  'renew-registration': verb(false, z.object({ wait }), (agent, options) => agent.renewRegistration(options)),
  'renew-authorization': verb(false, z.object({ wait }), (agent, options) =>
    agent.renewAuthorization(options),
  ),
  'reservation-request': verb(true, none, async (agent) => ({
    requestCode: await agent.reservation.request(),
  })),
  'reservation-cancel': verb(true, none, async (agent) => ({ cancelled: await agent.reservation.cancel() })),
  'reservation-install': verb(true, file, (agent, { file }) => agent.reservation.install(file)),
  'reservation-update': verb(true, file, (agent, { file }) => agent.reservation.update(file)),
  'reservation-return-code': verb(true, none, async (agent) => ({
    returnCode: await agent.reservation.returnCode(),
  })),
  'reservation-return': verb(true, none, (agent) => agent.reservation.return()),
  'reservation-discard': verb(true, file, (agent, { file }) => agent.reservation.discard(file)),
  'host-list': verb(
    true,
    z.object({
      after: z.string().max(1000).default(''),
      limit: z.int().min(1).max(10_000).default(1000),
      all: z.boolean().default(false),
    }),
    (agent, options) => ({ hosts: agent.hosts.list(options) }),
  ),
  'host-assign': verb(false, user, (agent, { user }) => agent.hosts.assign(user)),
  'host-deactivate': verb(false, user, (agent, { user }) => agent.hosts.deactivate(user)),
  'host-activate': verb(false, user, (agent, { user }) => agent.hosts.activate(user)),
  'host-attendee-only': verb(
    false,
    z.object({ user: name, attendeeOnly: z.boolean() }),
    (agent, { user, attendeeOnly }) => agent.hosts.setAttendeeOnly(user, attendeeOnly),
  ),
  'meeting-list': verb(
    true,
    z.object({ after: z.string().max(1000).default(''), limit: z.int().min(1).max(10_000).default(1000) }),
    (agent, options) => ({ meetings: agent.meetings.list(options) }),
  ),
  'meeting-show': verb(true, z.object({ id: name }), (agent, { id }) => agent.meetings.show(id)),
  'meeting-schedule': verb(
    false,
    z.object({
      id: name,
      host: name,
      alternates: z.array(name).max(1000).optional(),
      by: name.optional(),
      startsAt: z.string().max(100).optional(),
      endsAt: z.string().max(100).optional(),
    }),
    (agent, plan) => agent.meetings.schedule(plan),
  ),
  'meeting-start': verb(false, z.object({ id: name, by: name.optional() }), (agent, { id, by }) =>
    agent.meetings.start(id, by),
  ),
  'meeting-join': verb(false, attendance, (agent, { id, user }) => agent.meetings.join(id, user)),
  'meeting-leave': verb(false, attendance, (agent, { id, user }) => agent.meetings.leave(id, user)),
  'meeting-end': verb(false, z.object({ id: name }), (agent, { id }) => agent.meetings.end(id)),
  'usage-history': verb(
    true,
    z.object({ by: z.enum(['hour', 'day']), last: z.int().min(1).max(10_000) }),
    (agent, options) => ({ usage: agent.usage.periods(options) }),
  ),
  'usage-denials': verb(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100) }),
    (agent, { limit }) => ({
      denials: agent.usage.denials(limit),
    }),
  ),
  'system-show': verb(true, none, (agent) => agent.system.show()),
  'system-size': verb(
    false,
    z.object({
      size: z.enum(['micro', 'small', 'medium', 'large'], 'the size is micro, small, medium or large'),
    }),
    (agent, { size }) => agent.system.resize(size),
  ),
  'system-extend': verb(false, none, (agent) => agent.system.extend()),
  'system-reduce': verb(false, none, (agent) => agent.system.reduce()),
  'system-join': verb(false, z.object({ dataCenter: name }), (agent, { dataCenter }) =>
    agent.system.join(dataCenter),
  ),
  'system-join-to': verb(false, z.object({ primary: name }), (agent, { primary }) =>
    agent.system.joinTo(primary),
  ),
  'system-leave': verb(false, z.object({ dataCenter: name.optional() }), (agent, { dataCenter }) =>
    agent.system.leave(dataCenter),
  ),
  upgrade: verb(false, z.object({ version: z.string().max(100) }), (agent, { version }) =>
    agent.upgrade(version),
  ),
  'usage-set': verb(
    false,
    z.object({ tag: z.string().max(1000), count: z.number() }),
    (agent, { tag, count }) => {
      agent.setUsage(tag, count)
      return agent.status()
    },
  ),
} satisfies Record<string, Verb>

export type VerbName = keyof typeof verbs

export const isVerb = (name: string): name is VerbName => Object.hasOwn(verbs, name)
