import { z } from 'zod'
import { nothing } from '../http/sign-in-contract.ts'
import { act, read } from '../http/contract.ts'

const instant = z.string().nullable()
const count = z.number().int()
const failure = z.object({ code: z.string(), message: z.string(), remedy: z.string() })
const standing = z.enum(['in-compliance', 'out-of-compliance'])
const udi = z.object({ pid: z.string(), serial: z.string(), version: z.string() }).readonly()
/** Bytes: a satellite's request of a hundred thousand instances, in JSON. */
const LARGEST_FILE = 80 * 1024 * 1024

// What is asked.

/** The smart account that a call is about; the only one there is, unless named. */
const inAccount = z.object({ account: z.string().max(253).optional() })
const virtualName = z.string().trim().min(1, 'choose a virtual account').max(100)
/** A virtual account of it; all of them, or the default one, unless named. */
const inVirtual = inAccount.extend({ virtualAccount: virtualName.optional() })
const id = z.string().min(1).max(200)
const ofInstance = inAccount.extend({ id })
const aboutId = (input: { id: string }) => input.id
const quantities = z
  .record(
    z.string().max(100),
    z.number().int('a whole number').min(0, 'a quantity is 0 or more').max(1_000_000_000),
  )
  .refine((licenses) => Object.keys(licenses).length <= 100, 'too many licenses')
const code = z.string().trim().min(1, 'paste the code').max(20_000)
const days = (least: number, most: number) =>
  z
    .number('give a number of days')
    .int('a whole number')
    .min(least, `at least ${least}`)
    .max(most, `at most ${most}`)
const satelliteName = z.string().trim().min(1, 'give the name').max(100)
const terms = z
  .object({ warnDays: days(1, 3650), restrictDays: days(1, 3650), credentialDays: days(1, 3650) })
  .partial()
const tlsNames = z.array(z.string().trim().min(1).max(260)).max(100)
const leavable = z.enum(['hostnames', 'serial-numbers'])

// What is answered.

const virtualSchema = z.object({
  name: z.string(),
  isDefault: z.boolean(),
  satellite: z.string().nullable(),
  upstream: z.string().nullable(),
})
const tokenSchema = z.object({
  /** Null for those who may not make tokens. */
  token: z.string().nullable(),
  id: z.string(),
  virtualAccount: z.string(),
  description: z.string(),
  expiresAt: z.string(),
  maxUses: count,
  uses: count,
  exportControlled: z.boolean(),
  status: z.enum(['valid', 'expired', 'revoked', 'exhausted', 'in-doubt']),
  createdBy: z.string().nullable(),
})
const licenseSchema = z.object({
  virtualAccount: z.string(),
  tag: z.string(),
  name: z.string(),
  quantity: count,
  inUse: count,
  reserved: count,
  available: count,
  balance: count,
  status: standing,
})
const reservedSchema = z.array(z.object({ tag: z.string(), count, endsAt: instant })).readonly()
const instanceSchema = z.object({
  id: z.string(),
  udi,
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
const reservationSchema = z.object({
  instanceId: z.string(),
  udi,
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
const issuedSchema = reservationSchema.extend({ file: z.string(), advice: z.string().nullable() })
const countsSchema = z.object({ quantity: count, inUse: count, reserved: count, status: standing }).readonly()
const transferSchema = z.object({
  from: z.string(),
  to: z.string(),
  what: z.string(),
  effects: z
    .array(
      z.object({ virtualAccount: z.string(), tag: z.string(), before: countsSchema, after: countsSchema }),
    )
    .readonly(),
  status: z.enum(['done', 'waiting', 'preview']),
})
const eventSchema = z.object({
  id: count,
  at: z.string(),
  type: z.string(),
  severity: z.enum(['info', 'minor', 'major']),
  virtualAccount: z.string().nullable(),
  instanceId: z.string().nullable(),
  message: z.string(),
  /** The user; null for what time, a box or a satellite brought. */
  who: z.string().nullable(),
})
const ofEvents = inVirtual.extend({
  instanceId: z.string().max(200).optional(),
  severity: z.enum(['info', 'minor', 'major']).optional(),
})
const notificationSchema = z.object({
  id: z.string(),
  recipient: z.string(),
  virtualAccount: z.string().nullable(),
  daily: z.boolean(),
  status: z.boolean(),
  expiring: z.array(count).readonly(),
})
const orderSchema = z.object({
  id: z.string(),
  status: z.enum(['fulfilled', 'waiting', 'handed-over']),
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
const satelliteSchema = z.object({
  name: z.string(),
  status: z.enum(['waiting', 'current', 'overdue', 'expired', 'removed']),
  virtualAccounts: z.array(z.string()).readonly(),
  fingerprint: z.string().nullable(),
  exchanges: count,
  lastSyncAt: instant,
  overdueAt: instant,
  restrictedAt: instant,
  automaticUntil: instant,
  terms: z.object({ warnDays: count, restrictDays: count, credentialDays: count }).readonly(),
  tlsNames: z.array(z.string()).readonly().nullable(),
  certifiedNames: z.array(z.string()).readonly(),
  instances: z.object({ registered: count, reserved: count }).readonly(),
  recalls: z
    .array(
      z.object({
        tag: z.string(),
        quantity: count,
        to: z.string(),
        requestedAt: z.string(),
        told: z.boolean(),
      }),
    )
    .readonly(),
})
const syncSchema = z.object({
  satellite: z.string(),
  smartAccount: z.string(),
  standing: z.string(),
  exchange: z.string(),
  credential: z.string(),
  fingerprint: z.string(),
  epoch: count,
  lastSyncAt: instant,
  nextSyncAt: instant,
  overdueAt: instant,
  restrictedAt: instant,
  automaticUntil: instant,
  leftOut: z.array(z.string()).readonly(),
  inDoubt: z.boolean(),
  carried: z.object({ exchange: count, since: z.string() }).readonly().nullable(),
  lastAttempt: z
    .object({ at: z.string(), outcome: z.string(), reason: failure.nullable() })
    .readonly()
    .nullable(),
})
const importedSchema = z.object({
  outcome: z.string(),
  exchange: count,
  registered: z.boolean(),
  restrictedAt: z.string(),
  notices: z.array(z.string()).readonly(),
  failure: failure.nullable(),
})
const alertSchema = z.object({
  severity: z.enum(['major', 'minor', 'informational']),
  type: z.string(),
  message: z.string(),
  source: z.string(),
  virtualAccount: z.string().nullable(),
  instanceId: z.string().nullable(),
  satellite: z.string().nullable(),
  actionDue: instant,
  actions: z.array(z.string()).readonly(),
})
const reportSchema = z.object({
  kind: z.enum(['licenses', 'instances', 'usage']),
  generatedAt: z.string(),
  columns: z.array(z.object({ key: z.string(), title: z.string() })).readonly(),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))).readonly(),
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
const mailSchema = z.object({
  settings: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('folder'), from: z.string(), folder: z.string() }),
      z.object({
        kind: z.literal('smtp'),
        from: z.string(),
        url: z.string(),
        username: z.string().nullable(),
      }),
    ])
    .nullable(),
  waiting: count,
  failure: z.string().nullable(),
})

/** The API of an authority's page: a manager's, and, where a call says nothing else, a satellite's. */
export const authorityContract = {
  overview: read({
    access: 'viewer',
    summary: 'What this authority is, its smart accounts, and what its product’s licences are called.',
    input: nothing,
    output: z.object({
      role: z.enum(['manager', 'satellite']),
      test: z.boolean(),
      accounts: z.array(z.string()),
      fingerprint: z.string().nullable(),
      tags: z.array(z.object({ tag: z.string(), name: z.string() })),
      skus: z.array(z.object({ sku: z.string(), description: z.string(), tag: z.string().nullable() })),
    }),
  }),
  'virtual-accounts': read({
    access: 'viewer',
    summary: 'The virtual accounts of a smart account.',
    input: inAccount,
    output: z.object({ virtualAccounts: z.array(virtualSchema) }),
  }),
  'virtual-account-add': act({
    access: 'administrator',
    summary: 'Adds a virtual account; with a satellite named, for that satellite.',
    input: inAccount.extend({
      name: z.string().trim().min(1, 'give the name').max(100, 'at most 100 characters'),
      satellite: z.string().optional(),
    }),
    output: nothing,
    about: ({ name }) => name,
  }),
  'virtual-account-remove': act({
    access: 'administrator',
    summary: 'Removes an empty virtual account.',
    input: inAccount.extend({ name: virtualName }),
    output: nothing,
    about: ({ name }) => name,
  }),
  'virtual-account-default': act({
    access: 'administrator',
    summary: 'Makes a virtual account the default one.',
    input: inAccount.extend({ name: virtualName }),
    output: nothing,
    about: ({ name }) => name,
  }),
  tokens: read({
    access: 'viewer',
    summary: 'The product instance registration tokens.',
    input: inVirtual,
    output: z.object({ tokens: z.array(tokenSchema) }),
  }),
  'token-create': act({
    access: 'user',
    summary: 'Makes a registration token.',
    input: inVirtual.extend({
      description: z.string().max(200, 'at most 200 characters').default(''),
      days: days(1, 365),
      maxUses: z
        .number('give a number')
        .int('a whole number')
        .min(1, 'at least 1')
        .max(4000, 'at most 4000')
        .optional(),
      exportControlled: z.boolean().default(false),
      agreement: z.literal(true, 'the terms and conditions must be agreed to'),
    }),
    output: tokenSchema,
    about: ({ virtualAccount = '', description }) => `${virtualAccount}: ${description}`,
  }),
  'token-revoke': act({
    access: 'user',
    summary: 'Revokes a token; instances registered with it stay.',
    input: ofInstance,
    output: nothing,
    about: aboutId,
  }),
  licenses: read({
    access: 'viewer',
    summary: 'The pools: purchased, in use, reserved, balance.',
    input: inVirtual,
    output: z.object({ licenses: z.array(licenseSchema) }),
  }),
  'license-transactions': read({
    access: 'viewer',
    summary: 'What a pool is made of: orders and transfers, with their terms.',
    input: inVirtual.extend({ tag: z.string().max(100).optional() }),
    output: z.object({ transactions: z.array(transactionSchema).readonly() }),
  }),
  'license-transfer': act({
    access: 'user',
    summary: 'Moves licences to another virtual account; with `preview` it only says what that would do.',
    input: inAccount.extend({
      tag: z.string().max(100),
      quantity: z.number('give a number').int('a whole number').min(1, 'at least 1').max(1_000_000_000),
      from: virtualName,
      to: virtualName,
      preview: z.boolean().default(false),
      confirmed: z.boolean().default(false),
    }),
    output: transferSchema,
    about: ({ quantity, tag, from, to, preview }) =>
      `${preview ? 'preview: ' : ''}${quantity} of ${tag} from ${from} to ${to}`,
  }),
  instances: read({
    access: 'viewer',
    summary:
      'The product instances, a page at a time; `search` is a part of the name, the serial number or the product.',
    input: inVirtual.extend({
      search: z.string().max(200).default(''),
      skip: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    output: z.object({ instances: z.array(instanceSchema).readonly(), total: count }),
  }),
  instance: read({
    access: 'viewer',
    summary: 'One product instance.',
    input: ofInstance,
    output: instanceSchema,
  }),
  'instance-transfer': act({
    access: 'user',
    summary: 'Moves an instance to another virtual account; with `preview` it only says what that would do.',
    input: ofInstance.extend({
      to: virtualName,
      preview: z.boolean().default(false),
      confirmed: z.boolean().default(false),
    }),
    output: transferSchema,
    about: (input) => `${input.preview ? 'preview: ' : ''}${input.id} to ${input.to}`,
  }),
  'instance-remove': act({
    access: 'user',
    summary:
      'Removes an instance: its licences go back to the pool. One that works from a reservation needs its return code.',
    input: ofInstance.extend({ returnCode: code.optional() }),
    output: nothing,
    about: aboutId,
  }),
  'instance-write-off': act({
    access: 'administrator',
    summary: 'Removes the instance of a lost box without its return code; who and why is recorded.',
    input: ofInstance.extend({ reason: z.string().trim().min(1, 'say why').max(500) }),
    output: nothing,
    about: (input) => `${input.id}: ${input.reason}`,
  }),
  events: read({
    access: 'viewer',
    summary: 'The event log: the newest, oldest first.',
    input: ofEvents.extend({
      before: z.coerce.number().int().min(1).optional(),
      limit: z.coerce.number().int().min(1).max(1000).default(200),
    }),
    output: z.object({ events: z.array(eventSchema) }),
  }),
  'events-csv': read({
    access: 'viewer',
    summary: 'The event log as CSV: the newest ten thousand entries, oldest first.',
    input: ofEvents,
    output: z.object({ csv: z.string() }),
  }),
  alerts: read({
    access: 'viewer',
    summary:
      'What needs somebody’s attention, a page at a time, the gravest first. What is informational about a virtual account is told of that one alone.',
    input: inVirtual.extend({
      skip: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(1000).default(100),
    }),
    output: z.object({
      alerts: z.array(alertSchema).readonly(),
      total: count,
      counts: z.object({ major: count, minor: count, informational: count }),
    }),
  }),
  notifications: read({
    access: 'viewer',
    summary: 'Who is told of what by e-mail: administrators see all of them, others their own.',
    input: inVirtual,
    output: z.object({ notifications: z.array(notificationSchema), own: z.string().nullable() }),
  }),
  'notification-set': act({
    access: 'viewer',
    summary:
      'Chooses what an address is told: one’s own, where the user name is an e-mail address; by administrators others in the domain of the smart account.',
    input: inVirtual.extend({
      recipient: z.string().trim().min(1, 'give the address').max(254),
      daily: z.boolean().default(false),
      status: z.boolean().default(false),
      expiring: z.array(z.number().int()).max(10).default([]),
    }),
    output: notificationSchema,
    about: ({ recipient }) => recipient,
  }),
  'notification-remove': act({
    access: 'viewer',
    summary: 'Removes a notification: one’s own, or by administrators any.',
    input: inAccount.extend({ id }),
    output: nothing,
    about: aboutId,
  }),
  report: read({
    access: 'viewer',
    summary: 'A report as a table.',
    input: inVirtual.extend({ kind: reportSchema.shape.kind }),
    output: reportSchema,
  }),
  'report-csv': read({
    access: 'viewer',
    summary: 'A report as CSV.',
    input: inVirtual.extend({ kind: reportSchema.shape.kind }),
    output: z.object({ csv: z.string() }),
  }),
  'reservation-enable': act({
    access: 'administrator',
    summary: 'Authorises a smart account for specific licence reservation.',
    input: inAccount,
    output: nothing,
  }),
  reserve: act({
    access: 'user',
    summary: 'Reserves licences for the box of a request code, and makes its authorization file.',
    input: inVirtual.extend({ request: code, licenses: quantities }),
    output: issuedSchema,
    about: ({ licenses }) => words(licenses),
  }),
  'reservation-update': act({
    access: 'user',
    summary: 'Other quantities for a box that works from a reservation: its next authorization file.',
    input: ofInstance.extend({ licenses: quantities }),
    output: issuedSchema,
    about: (input) => `${input.id}: ${words(input.licenses)}`,
  }),
  'reservation-confirm': act({
    access: 'user',
    summary: 'Takes the confirmation code of an update.',
    input: ofInstance.extend({ code }),
    output: reservationSchema,
    about: aboutId,
  }),
  'reservation-file': act({
    access: 'user',
    summary: 'The newest authorization file of a reservation, signed anew.',
    input: ofInstance,
    output: z.object({ file: z.string().nullable() }),
    about: aboutId,
  }),
  orders: read({
    access: 'viewer',
    summary: 'What was bought, and what waits for a smart account.',
    input: inAccount,
    output: z.object({ orders: z.array(orderSchema) }),
  }),
  'order-place': act({
    access: 'administrator',
    summary: 'Buys licences, by SKU or tag: perpetual, or for a term. At a manager.',
    input: inVirtual.extend({
      sku: z.string().max(100).optional(),
      tag: z.string().max(100).optional(),
      quantity: z.number('give a number').int('a whole number').min(1, 'at least 1').max(1_000_000_000),
      termDays: days(1, 36_500).optional(),
    }),
    output: orderSchema,
    about: ({ quantity, sku, tag = '' }) => `${quantity} of ${sku ?? tag}`,
  }),
  'order-assign': act({
    access: 'administrator',
    summary: 'Assigns an order that waited to a virtual account. At a manager.',
    input: inVirtual.extend({ id }),
    output: orderSchema,
    about: aboutId,
  }),
  satellites: read({
    access: 'viewer',
    summary: 'The satellites of a manager, and how they stand.',
    input: inAccount,
    output: z.object({ satellites: z.array(satelliteSchema) }),
  }),
  'satellite-add': act({
    access: 'administrator',
    summary: 'Adds a satellite; the virtual account becomes its own. At a manager.',
    input: inAccount.extend({
      name: satelliteName,
      virtualAccount: virtualName,
      terms: terms.default({}),
      tlsNames: tlsNames.nullable().optional(),
    }),
    output: satelliteSchema.extend({ code: z.string() }),
    about: ({ name }) => name,
  }),
  'satellite-code': act({
    access: 'administrator',
    summary: 'Another one-time code for a first exchange by wire. At a manager.',
    input: inAccount.extend({ name: satelliteName }),
    output: z.object({ name: z.string(), code: z.string(), expiresAt: z.string() }),
    about: ({ name }) => name,
  }),
  'satellite-set': act({
    access: 'administrator',
    summary:
      'Changes the days of a satellite, and the names of its servers; told at its next exchange. At a manager.',
    input: inAccount.extend({ name: satelliteName, terms, tlsNames: tlsNames.nullable().optional() }),
    output: satelliteSchema,
    about: ({ name }) => name,
  }),
  'satellite-remove': act({
    access: 'administrator',
    summary: 'Removes a satellite: its virtual accounts are the manager’s again.',
    input: inAccount.extend({ name: satelliteName }),
    output: satelliteSchema,
    about: ({ name }) => name,
  }),
  'sync-respond': act({
    access: 'administrator',
    summary: 'Answers the file that was carried from a satellite. At a manager.',
    input: z.object({ file: z.string().min(1, 'choose the file') }),
    output: z.object({
      file: z.string(),
      satellite: z.string(),
      exchange: count,
      fingerprint: z.string(),
      registered: z.boolean(),
      again: z.boolean(),
      notices: z.array(z.string()).readonly(),
    }),
    largest: LARGEST_FILE,
  }),
  sync: read({
    access: 'viewer',
    summary: 'How a satellite stands with its manager. At a satellite.',
    input: nothing,
    output: syncSchema.extend({
      manager: z
        .object({
          kind: z.enum(['direct', 'gateway', 'proxy']),
          url: z.string(),
          via: z.string().nullable(),
          username: z.string().nullable(),
        })
        .readonly()
        .nullable(),
    }),
  }),
  'sync-now': act({
    access: 'administrator',
    summary: 'Synchronises by wire, now. At a satellite.',
    input: nothing,
    output: importedSchema,
  }),
  'sync-export': act({
    access: 'administrator',
    summary: 'Writes the file that is carried to the manager. At a satellite.',
    input: z.object({ leaveOut: z.array(leavable).optional() }),
    output: z.object({
      file: z.string(),
      exchange: count,
      report: z.string(),
      instances: count,
      fingerprint: z.string(),
    }),
  }),
  'sync-root': act({
    access: 'administrator',
    summary:
      'The fingerprint of the root that an answer brings, where somebody must compare it. At a satellite.',
    input: z.object({ file: z.string().min(1, 'choose the file') }),
    output: z.object({ fingerprint: z.string().nullable() }),
    largest: LARGEST_FILE,
  }),
  'sync-import': act({
    access: 'administrator',
    summary: 'Takes the answer that was carried back. At a satellite.',
    input: z.object({
      file: z.string().min(1, 'choose the file'),
      fingerprint: z.string().max(200).optional(),
    }),
    output: importedSchema,
    largest: LARGEST_FILE,
  }),
  mail: read({
    access: 'administrator',
    summary: 'Where e-mail goes, and what waits to be sent.',
    input: nothing,
    output: mailSchema,
  }),
  'mail-set': act({
    access: 'administrator',
    summary: 'Sets where e-mail goes: an SMTP server, or a folder of the server.',
    input: z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('smtp'),
        from: z.string().trim().min(1, 'give the address'),
        url: z.string().max(2048),
        username: z.string().max(1000).optional(),
        password: z.string().max(1000).optional(),
      }),
      z.object({
        kind: z.literal('folder'),
        from: z.string().trim().min(1, 'give the address'),
        folder: z.string().min(1, 'name the folder').max(1000),
      }),
    ]),
    output: mailSchema,
    about: ({ kind }) => kind,
  }),
}

const words = (licenses: Record<string, number>): string =>
  Object.entries(licenses)
    .map(([tag, quantity]) => `${quantity} of ${tag}`)
    .join(', ')
