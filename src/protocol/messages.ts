import { z } from 'zod'
import { answeredEntitlementSchema, countSchema, entitlementTagSchema } from '../core/entitlement.ts'
import { createDisplayTextSchema } from '../core/display-text.ts'
import { profileIdSchema } from '../core/profile.ts'
import { udiSchema } from '../core/udi.ts'

/**
 * Version of the protocol between agent and authority. `docs/protocol.md` describes the messages.
 * `docs/protocol.schema.json` is generated from the schemas below.
 */
export const PROTOCOL_VERSION = 1

export const requestTypeSchema = z.enum(['register', 'authorize', 'renew', 'deregister', 'acknowledge'])
export type RequestType = z.infer<typeof requestTypeSchema>

/** Message types that an authority answers: the requests of devices, and `hello`. */
export const messageTypeSchema = z.enum([...requestTypeSchema.options, 'hello'])
export type MessageType = z.infer<typeof messageTypeSchema>

/** Returns the path, below the authority's URL, that messages of a type are posted to. */
export const getMessagePath = (type: MessageType): string => `/smart-agent/v1/${type}`

const instantSchema = z.iso.datetime({ precision: 3 })
const base64urlSchema = z.string().regex(/^[A-Za-z0-9_-]+$/)
/** Accepts only the canonical encoding, so that every changed character is detected. */
const createCanonicalBase64urlSchema = (max: number) =>
  base64urlSchema
    .max(max)
    .refine(
      (text) => Buffer.from(text, 'base64url').toString('base64url') === text,
      'not canonical base64url',
    )
const hashSchema = base64urlSchema.length(43)
const certificateSchema = z.string().min(1).max(8192)
/** Rejects control characters, which some databases cannot store. */
const createPlainTextSchema = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u)

/** Message on the wire: a JWS in flattened JSON serialization (RFC 7515 §7.2.2). */
export const signedMessageSchema = z.strictObject({
  protected: createCanonicalBase64urlSchema(32_768),
  payload: createCanonicalBase64urlSchema(1_000_000),
  signature: createCanonicalBase64urlSchema(128),
})
export type SignedMessage = z.infer<typeof signedMessageSchema>

const envelope = {
  protocol: z.int(),
  direction: z.enum(['request', 'answer']),
  messageId: z.uuid(),
  nonce: base64urlSchema.min(22).max(64),
  audience: z.string().min(1).max(128),
  /** Number of restores of the authority. Sequences compare as (epoch, number). */
  epoch: z.int().min(0),
  /** Number of the newest root rotation statement that the sender has. */
  trustBundle: z.int().min(0),
}

/** Fields of a registered instance's request: its id, its request counter and the hash of its last answer. */
const instanceEnvelope = {
  ...envelope,
  instanceId: z.uuid(),
  sequence: z.int().min(1),
  lastAnswer: hashSchema.nullable(),
  /**
   * Last accepted answer as the authority signed it. The device adds it when it repeats a request that was refused because
   * of its history. So an authority whose database went back finds out that it has answered more than it remembers.
   */
  lastSignedAnswer: signedMessageSchema.optional(),
}

export const registerRequestSchema = z.object({
  ...envelope,
  type: z.literal('register'),
  body: z.object({
    certificateRequest: z.string().min(1).max(8192),
    udi: udiSchema,
    hostname: createPlainTextSchema(253).nullable(),
    agentVersion: createPlainTextSchema(64),
    force: z.boolean(),
    token: z.object({
      id: base64urlSchema.max(64),
      account: base64urlSchema.max(64),
      mac: base64urlSchema.max(64),
    }),
    /** Proof by the key of the registration that is replaced; null if the device no longer has that key. */
    previous: z.string().max(16_384).nullable(),
  }),
})

export const authorizeRequestSchema = z.object({
  ...instanceEnvelope,
  type: z.literal('authorize'),
  body: z.object({
    entitlements: z.array(z.object({ tag: entitlementTagSchema, count: countSchema })).max(1000),
    version: createPlainTextSchema(32),
    /** Identifies the device to an authority that was restored and no longer knows the instance. */
    udi: z.object({ pid: udiSchema.shape.pid, serial: udiSchema.shape.serial }).optional(),
    /** Profile of the device, which the authority compares with its own. */
    profile: profileIdSchema.optional(),
    /** End of the current authorization, null without one. Under load, the authority answers the earliest first. */
    deadlineAt: instantSchema.nullable().optional(),
  }),
})

export const renewRequestSchema = z.object({
  ...instanceEnvelope,
  type: z.literal('renew'),
  body: z.object({ certificateRequest: z.string().min(1).max(8192) }),
})

export const deregisterRequestSchema = z.object({
  ...instanceEnvelope,
  type: z.literal('deregister'),
  body: z.object({}),
})

export const acknowledgeRequestSchema = z.object({
  ...instanceEnvelope,
  type: z.literal('acknowledge'),
  body: z.object({ thumbprint: hashSchema }),
})

export const requestSchema = z.discriminatedUnion('type', [
  registerRequestSchema,
  authorizeRequestSchema,
  renewRequestSchema,
  deregisterRequestSchema,
  acknowledgeRequestSchema,
])
export type Request = z.infer<typeof requestSchema>
export type RegisterRequest = z.infer<typeof registerRequestSchema>
export type InstanceRequest = Exclude<Request, RegisterRequest>

/**
 * Connectivity check: the signed answer proves that the authority is reachable. The request itself is not signed,
 * because a device may send it before it is registered.
 */
export const helloRequestSchema = z.object({ ...envelope, type: z.literal('hello') })
export type HelloRequest = z.infer<typeof helloRequestSchema>

/** Audience of the answer to `hello`, which is not bound to an instance. */
export const HELLO_AUDIENCE = 'anybody'

const createAcceptedSchema = <T extends z.ZodRawShape>(body: T) =>
  z.object({ outcome: z.literal('accepted'), ...body })

/** Schema of a refusal, which is valid only inside a signed answer with the request's nonce. */
export const refusalSchema = z.object({
  outcome: z.literal('refused'),
  code: z.string().regex(/^[A-Z][A-Z0-9_]{2,63}$/),
  message: createDisplayTextSchema(1000),
  remedy: createDisplayTextSchema(1000),
})
export type Refusal = z.infer<typeof refusalSchema>

/** Accounts of an instance, sent in every answer because both can change at the authority. */
const membership = {
  smartAccount: createDisplayTextSchema(253),
  virtualAccount: createDisplayTextSchema(200),
}

export const registerAcceptedSchema = createAcceptedSchema({
  instanceId: z.uuid(),
  /** PEM: the ID certificate first, then the authority's issuing CA. */
  certificates: z.array(certificateSchema).min(1).max(4),
  exportControlled: z.boolean(),
  ...membership,
})
export const authorizeAcceptedSchema = createAcceptedSchema({
  entitlements: z.array(answeredEntitlementSchema).max(1000),
  compliance: z.enum(['in-compliance', 'out-of-compliance']),
  /** End of this authorization if it is not renewed, in the authority's time. */
  deadlineAt: instantSchema,
  /** Earlier time at which the authority wants the next request, to spread its load; null without one. */
  nextContactAt: instantSchema.nullable(),
  /** Highest software version that the orders of the smart account entitle; omitted without one. */
  softwareVersion: createDisplayTextSchema(100).optional(),
  /** Profile by which the authority licenses the product. */
  profile: profileIdSchema.optional(),
  ...membership,
})
export const renewAcceptedSchema = createAcceptedSchema({
  certificates: z.array(certificateSchema).min(1).max(4),
  ...membership,
})
export const emptyAcceptedSchema = createAcceptedSchema({})

const answerEnvelope = {
  ...envelope,
  authority: z.object({
    id: z.uuid(),
    role: z.enum(['manager', 'satellite']),
    /** True if the authority was created with `init --allow-fault-injection`. Agents display a warning. */
    test: z.boolean(),
  }),
  /** Time of the authority, which never goes back. */
  time: instantSchema,
  /** Last synchronization of a satellite with its manager. Absent from a manager, and before the first one. */
  synchronizedAt: instantSchema.optional(),
  /** Delegation of a satellite, signed by its manager; null from a manager. */
  mandate: z.string().max(16_384).nullable(),
  /** Root rotation statements that the device lacks, oldest first, each signed by the roots before it. */
  trustBundles: z.array(z.string().max(100_000)).max(50).optional(),
}

export const answerSchema = z.discriminatedUnion('type', [
  z.object({
    ...answerEnvelope,
    type: z.literal('register'),
    decision: z.union([registerAcceptedSchema, refusalSchema]),
  }),
  z.object({
    ...answerEnvelope,
    type: z.literal('authorize'),
    decision: z.union([authorizeAcceptedSchema, refusalSchema]),
  }),
  z.object({
    ...answerEnvelope,
    type: z.literal('renew'),
    decision: z.union([renewAcceptedSchema, refusalSchema]),
  }),
  z.object({
    ...answerEnvelope,
    type: z.literal('deregister'),
    decision: z.union([emptyAcceptedSchema, refusalSchema]),
  }),
  z.object({
    ...answerEnvelope,
    type: z.literal('acknowledge'),
    decision: z.union([emptyAcceptedSchema, refusalSchema]),
  }),
  z.object({ ...answerEnvelope, type: z.literal('hello'), decision: emptyAcceptedSchema }),
])
export type Answer = z.infer<typeof answerSchema>
export type Decision = Answer['decision']
export type RegisterAccepted = z.infer<typeof registerAcceptedSchema>
export type AuthorizeAccepted = z.infer<typeof authorizeAcceptedSchema>
export type RenewAccepted = z.infer<typeof renewAcceptedSchema>
