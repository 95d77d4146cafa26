import { z } from 'zod'
import { contextSchema } from '../../machines/agent-context.ts'
import {
  type RegionValue,
  CONNECTION_STATES,
  RESERVATION_STATES,
  getReservation,
  type AgentSnapshot,
  toMachineSnapshot,
  getLicenseState,
} from '../../machines/index.ts'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import { udiSchema } from '../core/udi.ts'

/** Format version of the stored snapshot. */
export const STATE_VERSION = 1

const regionSchema: z.ZodType<RegionValue> = z.lazy(() =>
  z.union([z.string(), z.record(z.string(), regionSchema)]),
)

const snapshotSchema: z.ZodType<AgentSnapshot> = z.object({
  value: z.object({
    license: regionSchema,
    registration: regionSchema,
    reservation: z.enum(RESERVATION_STATES),
    connection: z.enum(CONNECTION_STATES),
  }),
  context: contextSchema,
})

const envelopeSchema = z.object({ version: z.int().min(1), position: z.unknown() })

export const serializeState = (snapshot: AgentSnapshot): string =>
  JSON.stringify({ version: STATE_VERSION, position: snapshot })

/** Parses and validates a stored snapshot. @throws LicensingError STORE_TOO_NEW, STORE_UNREADABLE */
export function parseState(json: string): AgentSnapshot {
  const stored = envelopeSchema.safeParse(parseStored(json, 'state'))
  if (!stored.success) throw unreadableError('the format version is missing')
  const { version, position } = stored.data
  if (version > STATE_VERSION) {
    throw new LicensingError(
      'STORE_TOO_NEW',
      `The stored state has format version ${version}, but this program supports versions up to ${STATE_VERSION}.`,
    )
  }
  const parsed = snapshotSchema.safeParse(position, ENGLISH)
  if (!parsed.success)
    throw unreadableError(`the field ${parsed.error.issues[0]?.path.join('.') ?? ''} is not valid`)
  try {
    getLicenseState(toMachineSnapshot(parsed.data).value)
    getReservation(parsed.data)
  } catch {
    throw unreadableError('it contains an unknown state of the machine')
  }
  return parsed.data
}

const unreadableError = (reason: string) =>
  new LicensingError('STORE_UNREADABLE', `The stored state cannot be used: ${reason}.`)

/** Parses a stored text as JSON. @throws LicensingError STORE_UNREADABLE */
export function parseStored(json: string, what: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new LicensingError('STORE_UNREADABLE', `The stored ${what} is damaged: it is not JSON.`)
  }
}

export const productSchema = udiSchema
export type Product = z.infer<typeof productSchema>

/** Validates the identifiers and the version of a product. @throws LicensingError INVALID_ARGUMENT */
export function parseProduct(product: Product): Product {
  const parsed = productSchema.safeParse(product, ENGLISH)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The product cannot be used: ${issue?.message ?? ''} (${issue?.path.join('.') ?? ''}).`,
  )
}

/** Identity of the device at its authority. `key` is the name of a file with the private key. */
export const identitySchema = z.object({
  instanceId: z.string(),
  account: z.string(),
  authority: z.object({ id: z.string(), role: z.enum(['manager', 'satellite']), test: z.boolean() }),
  key: z.string(),
  certificates: z.array(z.string()),
  sequence: z.number(),
  /** Hash of the last accepted answer. */
  lastAnswer: z.string().nullable(),
  /** Authority's time in the last accepted answer. Older answers are rejected. */
  lastTime: z.number(),
  epoch: z.number(),
  trustBundle: z.number(),
  /** Newest delegation of the satellite that this device has seen. Null at a manager. */
  mandate: z.object({ epoch: z.number(), sequence: z.number() }).nullable(),
})
export type Identity = z.infer<typeof identitySchema>

/** Registration in progress. `token` and `key` are the names of files with the token and the private key. */
export const pendingRegistrationSchema = z.object({
  token: z.string(),
  key: z.string(),
  certificateRequest: z.string(),
  force: z.boolean(),
})
export type PendingRegistration = z.infer<typeof pendingRegistrationSchema>

/** Request without a known answer. It is repeated unchanged until an answer arrives. */
export const pendingRequestSchema = z.object({
  kind: z.enum(['authorize', 'renew', 'acknowledge', 'deregister']),
  messageId: z.string(),
  sequence: z.number(),
  body: z.record(z.string(), z.unknown()),
  /** Instant at which the request was created. The authority may have decided on the request at that time. */
  madeAt: z.number(),
  /** File name of the private key of the certificate request in the body. Null without one. */
  key: z.string().nullable(),
  /** Root version of the device when the request was created. The repeated request contains the same value. */
  trustBundle: z.number().nullable(),
})
export type PendingRequest = z.infer<typeof pendingRequestSchema>

/** Last reading of the clocks, and the data of the license clock. */
export const clockStateSchema = z.object({
  /** Authority's time in the last answer, and the wall clock's reading at that moment. */
  anchor: z.object({ time: z.number(), wall: z.number() }),
  /** Largest lead of the wall clock over the steady clocks since the anchor, in milliseconds. */
  excess: z.number(),
  highestWall: z.number(),
  wall: z.number(),
  /** Milliseconds since the anchor by the steady clocks. */
  ran: z.number(),
  uptime: z.number(),
  bootId: z.string(),
  /** True after the first answer of an authority. */
  contacted: z.boolean(),
  /** Reason why the wall clock is not trusted. Null while the wall clock is trusted. */
  distrust: z.string().nullable(),
})
export type ClockReading = z.infer<typeof clockStateSchema>

/** Secret file with the seed from which the keys of reservation requests are derived. */
export const RESERVATION_SEED_FILE = 'reservation.seed'
