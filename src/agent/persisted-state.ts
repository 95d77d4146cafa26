import { z } from 'zod'
import { contextSchema } from '../../machines/agent-context.ts'
import {
  type RegionValue,
  CONNECTION_STATES,
  type AgentSnapshot,
  toMachineSnapshot,
  getLicenseState,
} from '../../machines/index.ts'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import { udiSchema } from '../core/udi.ts'

/** The version of the stored snapshot. */
export const STATE_VERSION = 1

const regionSchema: z.ZodType<RegionValue> = z.lazy(() =>
  z.union([z.string(), z.record(z.string(), regionSchema)]),
)

const snapshotSchema: z.ZodType<AgentSnapshot> = z.object({
  value: z.object({ registration: regionSchema, license: regionSchema, link: z.enum(CONNECTION_STATES) }),
  context: contextSchema,
})

const envelopeSchema = z.object({ version: z.int().min(1), position: z.unknown() })

export const serializeState = (snapshot: AgentSnapshot): string =>
  JSON.stringify({ version: STATE_VERSION, position: snapshot })

/** @throws LicensingError STORE_TOO_NEW, STORE_UNREADABLE */
export function parseState(json: string): AgentSnapshot {
  const stored = envelopeSchema.safeParse(parseStored(json, 'state'))
  if (!stored.success) throw unreadableError('it does not say its version')
  const { version, position } = stored.data
  if (version > STATE_VERSION) {
    throw new LicensingError(
      'STORE_TOO_NEW',
      `The state was written as version ${version}; this program knows ${STATE_VERSION}.`,
    )
  }
  const parsed = snapshotSchema.safeParse(position, ENGLISH)
  if (!parsed.success)
    throw unreadableError(`it is not of its form, at ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
  try {
    getLicenseState(toMachineSnapshot(parsed.data).value)
  } catch {
    throw unreadableError('it names a place the chart does not have')
  }
  return parsed.data
}

const unreadableError = (why: string) =>
  new LicensingError('STORE_UNREADABLE', `The stored state cannot be used: ${why}.`)

/** A stored text as JSON. @throws LicensingError STORE_UNREADABLE */
export function parseStored(json: string, what: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new LicensingError('STORE_UNREADABLE', `The stored ${what} is damaged: it is not JSON.`)
  }
}

/** The product on this device. */
export const productSchema = udiSchema
export type Product = z.infer<typeof productSchema>

/** @throws LicensingError INVALID_ARGUMENT */
export function parseProduct(product: Product): Product {
  const parsed = productSchema.safeParse(product, ENGLISH)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The product cannot be used: ${issue?.message ?? ''} (${issue?.path.join('.') ?? ''}).`,
  )
}

/** Who the box is to its authority, beside what the chart knows: keys by name, never by value. */
export const identitySchema = z.object({
  instanceId: z.string(),
  account: z.string(),
  authority: z.object({ id: z.string(), role: z.enum(['manager', 'satellite']), test: z.boolean() }),
  key: z.string(),
  certificates: z.array(z.string()),
  sequence: z.number(),
  lastAnswer: z.string().nullable(),
  /** The authority's time in the last accepted answer: no later answer may be older. */
  lastTime: z.number(),
  epoch: z.number(),
  trustBundle: z.number(),
  /** The newest mandate of its satellite that this box has seen; null behind a manager. */
  mandate: z.object({ epoch: z.number(), sequence: z.number() }).nullable(),
})
export type Identity = z.infer<typeof identitySchema>

/** A registration under way: the token and the key are files, named here. */
export const pendingRegistrationSchema = z.object({
  token: z.string(),
  key: z.string(),
  certificateRequest: z.string(),
  force: z.boolean(),
})
export type PendingRegistration = z.infer<typeof pendingRegistrationSchema>

/** A request that was sent and not answered, as far as is known: repeated as it is until it is answered. */
export const pendingRequestSchema = z.object({
  kind: z.enum(['authorize', 'renew', 'acknowledge', 'deregister']),
  messageId: z.string(),
  sequence: z.number(),
  body: z.record(z.string(), z.unknown()),
  /** When it was first made: what is decided on it may be as old. */
  madeAt: z.number(),
  /** The key of a certificate request that is in the body. */
  key: z.string().nullable(),
  /** The number of the roots that the device had then: it is part of the repeated request. */
  trustBundle: z.number().nullable(),
})
export type PendingRequest = z.infer<typeof pendingRequestSchema>

/** The last reading of the clocks, and what is thought of them. */
export const clockStateSchema = z.object({
  anchor: z.object({ time: z.number(), wall: z.number() }),
  excess: z.number(),
  highestWall: z.number(),
  wall: z.number(),
  ran: z.number(),
  uptime: z.number(),
  bootId: z.string(),
  contacted: z.boolean(),
  distrust: z.string().nullable(),
})
export type ClockReading = z.infer<typeof clockStateSchema>

/** What the keys of the box's reservation requests are made from: a file of its own. */
export const RESERVATION_SEED_FILE = 'reservation.seed'
