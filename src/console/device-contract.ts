import { z } from 'zod'
import { nothing } from '../http/sign-in-contract.ts'
import { act, read } from '../http/contract.ts'

const instant = z.string().nullable()
const count = z.number().int()
const failure = z.object({ code: z.string(), message: z.string(), remedy: z.string() })
const failureThen = failure.extend({ at: z.string() })
const outcome = z
  .object({ at: z.string(), outcome: z.enum(['succeeded', 'failed']), reason: failure.nullable() })
  .nullable()

const sizeSchema = z.enum(['micro', 'small', 'medium', 'large'])

/** The Status document, word for word what `status --json` prints. */
export const statusSchema = z.object({
  product: z.object({
    pid: z.string(),
    serial: z.string(),
    version: z.string(),
    size: sizeSchema.optional(),
    ports: count.optional(),
  }),
  state: z.enum([
    'evaluation',
    'unregistered',
    'registered',
    'authorized',
    'out-of-compliance',
    'auth-expired',
    'reserved',
  ]),
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
    lastRenewal: outcome,
    nextRenewalAt: instant,
    expiresAt: instant,
    nextAttemptAt: instant,
    failure: failureThen.nullable(),
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
    lastAttempt: outcome,
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
    link: z.enum(['unknown', 'up', 'down']),
    lastFailure: failureThen.nullable(),
  }),
  authority: z
    .object({ id: z.string(), role: z.enum(['manager', 'satellite']), test: z.boolean() })
    .nullable(),
  clock: z.object({ trusted: z.boolean(), reason: z.string().nullable() }),
  hosts: z.object({ assigned: count, permanent: count, demo: count }).optional(),
})

const explanationSchema = z.object({
  state: statusSchema.shape.state,
  meaning: z.array(z.string()).readonly(),
  because: z
    .object({
      at: z.string(),
      event: z.string(),
      inWords: z.string(),
      from: z.string(),
      fact: z.string().nullable(),
    })
    .nullable(),
  trouble: z.array(failure.extend({ at: z.string().nullable() })).readonly(),
  may: z.object({ functionality: statusSchema.shape.functionality, reason: z.string().nullable() }),
  next: z.array(z.object({ at: z.string(), inWords: z.string(), what: z.string() })).readonly(),
  wouldChange: z
    .array(z.object({ event: z.string(), state: statusSchema.shape.state, effect: z.string() }))
    .readonly(),
})

const positionSchema = z.record(z.string(), z.unknown())
/** One transition of the chart, with its cause. */
export const transitionSchema = z.object({
  id: count,
  at: z.string(),
  event: z.string(),
  inWords: z.string(),
  before: positionSchema,
  after: positionSchema,
  notices: z.array(z.object({ notice: z.string(), message: z.string(), severity: z.number() })),
})

const url = z.string().max(2048)
const settingsSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('direct'), url }),
  z.object({ kind: z.literal('gateway'), url }),
  z.object({
    kind: z.literal('proxy'),
    url,
    via: url,
    username: z.string().max(1000).optional(),
    password: z.string().max(1000).optional(),
  }),
])

const roadSchema = z.object({
  ok: z.boolean(),
  steps: z
    .array(
      z.object({
        step: z.enum(['name', 'connect', 'proxy', 'tls', 'authority', 'signature']),
        outcome: z.enum(['ok', 'failed', 'not-tried', 'not-needed']),
        found: z.string().nullable(),
        failure: failure.nullable(),
      }),
    )
    .readonly(),
  failure: failure.nullable(),
})

const hostSchema = z.object({
  user: z.string(),
  license: z.enum(['demo', 'permanent']).nullable(),
  reason: z.enum(['hosting', 'manual']).nullable(),
  assignedAt: instant,
  active: z.boolean(),
  attendeeOnly: z.boolean(),
})

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

const usageSchema = z.object({
  usage: z.array(z.object({ tag: z.string(), from: z.string(), peak: z.number(), mean: z.number() })),
})

const user = z.string().trim().min(1, 'name the user').max(20_000)
const aboutUser = (input: { user: string }) => input.user.slice(0, 200)
const token = z.string().trim().min(1, 'paste the token').max(100_000)
const registration = z.object({ token, force: z.boolean().default(false) })
const aboutForce = (input: { force: boolean }) => (input.force ? 'overwrite' : '')
const file = z.object({ file: z.string().min(1, 'choose the file').max(200_000) })
const pem = z.object({ pem: z.string().min(1, 'choose the file').max(100_000) })

const causesSchema = z.array(z.object({ event: z.string(), guard: z.string().nullable() })).readonly()
const pointsSchema = z.array(z.object({ x: z.number(), y: z.number() })).readonly()
const linesSchema = z.array(z.string()).readonly()
const box = { x: z.number(), y: z.number(), width: z.number(), height: z.number() }
/** A chart that was laid out: where its states, arrows and words are. */
const layoutSchema = z.object({
  name: z.string(),
  width: z.number(),
  height: z.number(),
  nodes: z
    .array(
      z.object({
        id: z.string(),
        key: z.string(),
        description: z.string(),
        kind: z.enum(['axis', 'compound', 'atomic']),
        parent: z.string().nullable(),
        initial: z.boolean(),
        inside: causesSchema,
        lines: linesSchema,
        ...box,
      }),
    )
    .readonly(),
  edges: z
    .array(
      z.object({
        id: z.string(),
        from: z.string(),
        to: z.string(),
        causes: causesSchema,
        points: pointsSchema,
        label: z.object({ ...box, lines: linesSchema }),
      }),
    )
    .readonly(),
  starts: z
    .array(
      z.object({ parent: z.string(), to: z.string(), x: z.number(), y: z.number(), points: pointsSchema }),
    )
    .readonly(),
})

/** The API of a box: what its page and others may ask of it. */
export const boxContract = {
  status: read({
    access: 'viewer',
    summary: 'The Status document.',
    input: nothing,
    output: statusSchema,
  }),
  explain: read({
    access: 'viewer',
    summary: 'Why the box is in its state, what comes next, and what would change it.',
    input: nothing,
    output: explanationSchema,
  }),
  history: read({
    access: 'viewer',
    summary: 'Past transitions of the statechart, each with its cause: the newest, oldest first.',
    input: z.object({
      limit: z.coerce.number().int().min(1).max(5000).default(200),
      after: z.coerce.number().int().min(0).default(0),
    }),
    output: z.object({ history: z.array(transitionSchema) }),
  }),
  'transport-set': act({
    access: 'administrator',
    summary: 'Sets the way to the authority. Checks its form and saves it; connects to nobody.',
    input: settingsSchema,
    output: statusSchema.shape.transport,
    // A URL may hold what somebody should not have typed into it.
    about: ({ kind }) => kind,
  }),
  'transport-test': act({
    access: 'administrator',
    summary: 'Walks the way to the authority step by step: the one given, or the one in force.',
    input: z.object({ settings: settingsSchema.optional() }),
    output: roadSchema,
  }),
  trust: read({
    access: 'viewer',
    summary: 'The fingerprint of the root certificate that the authority is checked by.',
    input: nothing,
    output: z.object({ fingerprint: z.string().nullable() }),
  }),
  'trust-install': act({
    access: 'administrator',
    summary: 'Installs the root certificate of the authority, as PEM.',
    input: pem,
    output: z.object({ fingerprint: z.string().nullable() }),
  }),
  'tls-ca-install': act({
    access: 'administrator',
    summary: 'Trusts a further certificate for TLS alone, as PEM.',
    input: pem,
    output: statusSchema.shape.transport,
  }),
  register: act({
    access: 'administrator',
    summary: 'Registers the box with a token; answers with the first outcome, within 35 seconds.',
    input: registration,
    output: statusSchema,
    about: aboutForce,
  }),
  reregister: act({
    access: 'administrator',
    summary: 'Registers again with a new token, keeping the old registration until then.',
    input: registration,
    output: statusSchema,
    about: aboutForce,
  }),
  deregister: act({
    access: 'administrator',
    summary: 'Gives every licence back and ends the registration.',
    input: nothing,
    output: statusSchema,
  }),
  'renew-registration': act({
    access: 'administrator',
    summary: 'Renews the registration now.',
    input: nothing,
    output: statusSchema,
  }),
  'renew-authorization': act({
    access: 'administrator',
    summary: 'Renews the authorization now.',
    input: nothing,
    output: statusSchema,
  }),
  'reservation-request': act({
    access: 'administrator',
    summary: 'Makes the reservation request code: the same until it is cancelled.',
    input: nothing,
    output: z.object({ requestCode: z.string() }),
  }),
  'reservation-cancel': act({
    access: 'administrator',
    summary: 'Gives the reservation request up.',
    input: nothing,
    output: z.object({ cancelled: z.boolean() }),
  }),
  'reservation-install': act({
    access: 'administrator',
    summary: 'Installs the authorization file of the pending request.',
    input: file,
    output: statusSchema,
  }),
  'reservation-update': act({
    access: 'administrator',
    summary: 'Installs a newer authorization file; the status has the confirmation code.',
    input: file,
    output: statusSchema,
  }),
  'reservation-return-code': act({
    access: 'administrator',
    summary: 'Ends the reservation here, and makes the code that gives it back.',
    input: nothing,
    output: z.object({ returnCode: z.string() }),
  }),
  'reservation-return': act({
    access: 'administrator',
    summary: 'Completes the return.',
    input: nothing,
    output: statusSchema,
  }),
  'reservation-discard': act({
    access: 'administrator',
    summary: 'The return code of an authorization file whose request was cancelled.',
    input: file,
    output: z.object({ instanceId: z.string(), returnCode: z.string() }),
  }),
  hosts: read({
    access: 'viewer',
    summary: 'Who holds a host licence, by name, a page at a time; with `all`, everybody known.',
    input: z.object({
      search: z.string().max(200).default(''),
      after: z.string().max(1000).default(''),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
      all: z.stringbool().default(false),
    }),
    output: z.object({ hosts: z.array(hostSchema), more: z.boolean() }),
  }),
  'host-assign': act({
    access: 'administrator',
    summary: 'Gives a user a host licence.',
    input: z.object({ user }),
    output: hostSchema,
    about: aboutUser,
  }),
  'host-deactivate': act({
    access: 'administrator',
    summary: 'Deactivates a user, which releases the licence.',
    input: z.object({ user }),
    output: hostSchema,
    about: aboutUser,
  }),
  'host-activate': act({
    access: 'administrator',
    summary: 'Activates a user again.',
    input: z.object({ user }),
    output: hostSchema,
    about: aboutUser,
  }),
  'host-attendee-only': act({
    access: 'administrator',
    summary: 'Says whether a user may attend only.',
    input: z.object({ user, attendeeOnly: z.boolean() }),
    output: hostSchema,
    about: aboutUser,
  }),
  system: read({
    access: 'viewer',
    summary: 'Size, capacity and data centers of the system.',
    input: nothing,
    output: systemSchema,
  }),
  'system-size': act({
    access: 'administrator',
    summary: 'Sets the deployment size.',
    input: z.object({ size: systemSchema.shape.size }),
    output: systemSchema,
    about: ({ size }) => size,
  }),
  'system-extend': act({
    access: 'administrator',
    summary: 'Extends a large system to extra large, with its licence.',
    input: nothing,
    output: systemSchema,
  }),
  'system-reduce': act({
    access: 'administrator',
    summary: 'Reduces an extra large system to large.',
    input: nothing,
    output: systemSchema,
  }),
  'system-join': act({
    access: 'administrator',
    summary: 'Joins a data center to this one, with its licences.',
    input: z.object({ dataCenter: z.string().trim().min(1, 'name the data center').max(200) }),
    output: systemSchema,
    about: ({ dataCenter }) => dataCenter,
  }),
  'system-leave': act({
    access: 'administrator',
    summary: 'Takes a data center out of the system.',
    input: z.object({ dataCenter: z.string().max(200).optional() }),
    output: systemSchema,
    about: ({ dataCenter = '' }) => dataCenter,
  }),
  usage: read({
    access: 'viewer',
    summary: 'Peak and mean use of every tag, by hour or by day, oldest first.',
    input: z.object({
      by: z.enum(['hour', 'day']).default('day'),
      last: z.coerce.number().int().min(1).max(1000).default(30),
    }),
    output: usageSchema,
  }),
  chart: read({
    access: 'viewer',
    summary: 'The statechart that runs, laid out for drawing.',
    input: nothing,
    output: layoutSchema,
  }),
  support: read({
    access: 'administrator',
    summary: 'Everything that helps to see what is wrong, without secrets.',
    input: nothing,
    output: z.record(z.string(), z.unknown()),
  }),
}
