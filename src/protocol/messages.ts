import { z } from 'zod'
import { answeredEntitlementSchema, countSchema, entitlementTagSchema } from '../core/entitlement.ts'
import { udiSchema } from '../core/udi.ts'

/**
 * What goes over the wire between agent and authority, version 1. Described for people in
 * `docs/protocol.md`; `docs/protocol.schema.json` is generated from here.
 */
export const PROTOCOL_VERSION = 1

export const requestTypeSchema = z.enum(['register', 'authorize', 'renew', 'deregister', 'acknowledge'])
export type RequestType = z.infer<typeof requestTypeSchema>

/** Every kind of message that is answered: the requests of boxes, and greetings. */
export const messageTypeSchema = z.enum([...requestTypeSchema.options, 'hello'])
export type MessageType = z.infer<typeof messageTypeSchema>

/** Where a message of that type is posted, below the authority's URL. */
export const getMessagePath = (type: MessageType): string => `/smart-agent/v1/${type}`

const instantSchema = z.iso.datetime({ precision: 3 })
const base64urlSchema = z.string().regex(/^[A-Za-z0-9_-]+$/)
/** Only the one spelling of its bytes, so that no changed character can go unnoticed. */
const createCanonicalBase64urlSchema = (max: number) =>
  base64urlSchema
    .max(max)
    .refine(
      (text) => Buffer.from(text, 'base64url').toString('base64url') === text,
      'not canonical base64url',
    )
const hashSchema = base64urlSchema.length(43)
const certificateSchema = z.string().min(1).max(8192)
/** Text without control characters: not every database keeps them. */
const createPlainTextSchema = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u)

/** A message as it travels: a JWS in its flattened JSON form (RFC 7515 §7.2.2). */
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
  /** Restores of an authority are counted; sequences compare as (epoch, number). */
  epoch: z.int().min(0),
  /** Number of the newest bundle of trust anchors the sender holds. */
  trustBundle: z.int().min(0),
}

/** Of an instance that is registered: its id, how many requests it has made, what it was last told. */
const instanceEnvelope = {
  ...envelope,
  instanceId: z.uuid(),
  sequence: z.int().min(1),
  lastAnswer: hashSchema.nullable(),
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
    /** A proof by the key of the registration that is replaced, where the box still has it. */
    previous: z.string().max(16_384).nullable(),
  }),
})

export const authorizeRequestSchema = z.object({
  ...instanceEnvelope,
  type: z.literal('authorize'),
  body: z.object({
    entitlements: z.array(z.object({ tag: entitlementTagSchema, count: countSchema })).max(1000),
    version: createPlainTextSchema(32),
    /** Which box asks: for an authority that was restored, and does not know it any more. */
    udi: z.object({ pid: udiSchema.shape.pid, serial: udiSchema.shape.serial }).optional(),
    /** When the present authorization ends, null without one: under load those who need an answer soon are answered first. */
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
 * Asks for nothing: whoever is out for a road to an authority learns by its signed answer that it is there. Not
 * signed, since a box may ask before it has a name.
 */
export const helloRequestSchema = z.object({ ...envelope, type: z.literal('hello') })
export type HelloRequest = z.infer<typeof helloRequestSchema>

/** Whom its answer is for: anybody. It says nothing but that the authority is there. */
export const HELLO_AUDIENCE = 'anybody'

const createAcceptedSchema = <T extends z.ZodRawShape>(body: T) =>
  z.object({ outcome: z.literal('accepted'), ...body })

/** A refusal counts only inside a signed answer that carries the request's nonce. */
export const refusalSchema = z.object({
  outcome: z.literal('refused'),
  code: z.string().regex(/^[A-Z][A-Z0-9_]{2,63}$/),
  message: z.string().max(1000),
  remedy: z.string().max(1000),
})
export type Refusal = z.infer<typeof refusalSchema>

/** Where an instance belongs; told again in every answer, since both can change at the authority. */
const membership = { smartAccount: z.string().max(253), virtualAccount: z.string().max(200) }

export const registerAcceptedSchema = createAcceptedSchema({
  instanceId: z.uuid(),
  /** Identity certificate first, then the authority's issuing CA: PEM. */
  certificates: z.array(certificateSchema).min(1).max(4),
  exportControlled: z.boolean(),
  ...membership,
})
export const authorizeAcceptedSchema = createAcceptedSchema({
  entitlements: z.array(answeredEntitlementSchema).max(1000),
  compliance: z.enum(['in-compliance', 'out-of-compliance']),
  /** The instant this authorization ends without another: absolute, by the authority's time. */
  deadlineAt: instantSchema,
  /** A wish of the authority to be asked earlier, to spread its load; null without one. */
  nextContactAt: instantSchema.nullable(),
  /** The highest software version that the orders of the smart account entitle; omitted without one. */
  softwareVersion: z.string().max(100).optional(),
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
    /** Made with `init --allow-fault-injection`: may be told to misbehave. Agents show it. */
    test: z.boolean(),
  }),
  /** The authority's time, which never goes back. */
  time: instantSchema,
  /** A satellite's leave to act, signed by the manager; null from a manager. */
  mandate: z.string().max(16_384).nullable(),
  /** The bundles of roots that the box lacks by what its request says, each signed by the roots before it: the oldest first. */
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
