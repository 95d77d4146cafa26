import { z } from 'zod'
import type { DeepReadonly } from './deep-readonly.ts'

/**
 * Stored context of the agent machine, as plain JSON. Every instant is absolute, and never a duration. The types are
 * derived from the schemas. The machine itself imports only the types.
 */

const instantSchema = z.number()

/** Reason why an attempt failed: code, message and remedy, as in the error table. */
export const failureSchema = z.object({ code: z.string(), message: z.string(), remedy: z.string() })
export type Failure = DeepReadonly<z.infer<typeof failureSchema>>

const datedFailureSchema = failureSchema.extend({ at: instantSchema })

/** Outcome of one attempt, for status and history. */
export const attemptSchema = z.object({
  at: instantSchema,
  outcome: z.enum(['succeeded', 'failed']),
  reason: failureSchema.nullable(),
})
export type Attempt = DeepReadonly<z.infer<typeof attemptSchema>>

const countsSchema = z.record(z.string(), z.number())
/** Number of licenses in use by entitlement tag. */
export type UsageCounts = DeepReadonly<z.infer<typeof countsSchema>>

const entitlementSchema = z.object({
  tag: z.string(),
  name: z.string(),
  description: z.string(),
  count: z.number(),
  status: z.enum(['in-compliance', 'out-of-compliance', 'invalid-tag']),
})
/** Compliance of one tag, as the authority reported it. */
export type Entitlement = DeepReadonly<z.infer<typeof entitlementSchema>>

const registrationSchema = z.object({
  instanceId: z.string(),
  smartAccount: z.string(),
  virtualAccount: z.string(),
  exportControlled: z.boolean(),
  registeredAt: instantSchema,
  /** Expiry date of the ID certificate. */
  expiresAt: instantSchema,
})
/** Registration of the device: its identity at the authority, and when that expires. */
export type Registration = DeepReadonly<z.infer<typeof registrationSchema>>

const reservedLicenseSchema = z.object({
  tag: z.string(),
  name: z.string(),
  count: z.number(),
  endsAt: instantSchema.nullable(),
  /** Threshold of the last warning, in seconds before the end. 0 after the end was reported, null before any warning. */
  lastWarningSeconds: z.number().nullable(),
})
/** Licenses of one tag that are reserved for this device. `endsAt` is null for a reservation without an end. */
export type ReservedLicense = DeepReadonly<z.infer<typeof reservedLicenseSchema>>

const installedAuthorizationSchema = z.object({
  reservationId: z.string(),
  authorityId: z.string(),
  /** Public key with which the authority signs codes, base64url. */
  authorityKey: z.string(),
  smartAccount: z.string(),
  virtualAccount: z.string(),
  epoch: z.int(),
  sequence: z.int(),
  issuedAt: instantSchema,
  installedAt: instantSchema,
  /** Instant at which the first authorization of this reservation was installed. */
  reservedAt: instantSchema,
  licenses: z.array(reservedLicenseSchema),
  /** Code that the administrator enters at the authority after an update. Null before the first update. */
  confirmationCode: z.string().nullable(),
  /** Instant of the last request or confirmation code. The agent corrects its clock with it when a file arrives. */
  knownAt: instantSchema,
})
/** Installed authorization file: the reserved licenses, and the data needed to accept a newer file. */
export type InstalledAuthorization = DeepReadonly<z.infer<typeof installedAuthorizationSchema>>

const returnedSchema = z.object({
  /** Number of the request that the authorization file answered. */
  request: z.int(),
  reservationId: z.string(),
  returnCode: z.string(),
  at: instantSchema,
})
/**
 * Returned reservation. The agent keeps it because its files may be offered again, and its return code may be
 * requested again.
 */
export type ReturnedReservation = DeepReadonly<z.infer<typeof returnedSchema>>

/** Reservations of this device. At most one reservation is current, and belongs to the newest request. */
const reservationSchema = z.object({
  /** Number of requests made so far. Each request has a number and its own key. */
  requests: z.int().min(0),
  /** Data of the current reservation. Its stage is the state of the reservation region. */
  current: z
    .object({
      requestCode: z.string(),
      requestedAt: instantSchema,
      grant: installedAuthorizationSchema.nullable(),
      returnCode: z.string().nullable(),
    })
    .nullable(),
  returned: z.array(returnedSchema),
})
/** Data of the device's reservations. */
export type ReservationContext = DeepReadonly<z.infer<typeof reservationSchema>>

/** Periods that a product may change. The defaults are those of Cisco Smart Licensing. Milliseconds unless noted. */
const periodsSchema = z.object({
  /** Seconds of use before the device must be registered (planning guide: 90 days). */
  evaluationSeconds: z.number(),
  /** Interval between renewals of the registration (planning guide: six months; default: 180 days). */
  registrationRenewal: z.number(),
  /** Interval between authorizations while authorized (planning guide: 30 days). */
  authorizationRenewal: z.number(),
  /** Interval between authorizations while out of compliance (default: 12 hours). */
  outOfComplianceRecheck: z.number(),
  /** Time during which usage changes are collected into one report. At most 60 seconds. */
  usageReportDelay: z.number(),
  /** Longest time by which an authority may move the next contact earlier. */
  maxEarlyContact: z.number(),
  /** Upper limit for `Retry-After`, which is not signed. */
  maxRetryAfter: z.number(),
  /** Warning thresholds before the evaluation ends, in remaining seconds. */
  evaluationWarnings: z.array(z.number()),
  /** Warning thresholds before the term of reserved licenses ends, in remaining seconds. */
  termWarnings: z.array(z.number()),
})
/** Periods of a product. */
export type Periods = DeepReadonly<z.infer<typeof periodsSchema>>

export const contextSchema = z.object({
  periods: periodsSchema,
  evaluation: z.object({
    remainingSeconds: z.number().min(0),
    /** True while evaluation time is consumed: until registration and the first authorization have succeeded. */
    running: z.boolean(),
  }),
  registration: registrationSchema.nullable(),
  /** Registration attempt in progress, including re-registration. */
  registering: z
    .object({ force: z.boolean(), failures: z.number(), nextAttemptAt: instantSchema.nullable() })
    .nullable(),
  /** Reason why the registration ended, or why the last registration attempt failed. */
  registrationFailure: datedFailureSchema.nullable(),
  renewal: z.object({
    last: attemptSchema.nullable(),
    nextAt: instantSchema.nullable(),
    failures: z.number(),
  }),
  authorization: z.object({
    /** Instant at which the license state was entered. Polls that confirm the state do not change it. */
    since: instantSchema,
    last: attemptSchema.nullable(),
    nextAttemptAt: instantSchema.nullable(),
    /** Instant at which the authorization expires unless the authority is reached before. */
    deadlineAt: instantSchema.nullable(),
    failures: z.number(),
    entitlements: z.array(entitlementSchema),
  }),
  usage: z.object({
    /** Current usage. */
    counts: countsSchema,
    /** Usage last reported to the authority. Null before the first report under this registration. */
    reported: countsSchema.nullable(),
    /** Instant at which changed usage is reported. Null when no change waits. */
    reportAt: instantSchema.nullable(),
  }),
  reservation: reservationSchema,
  /** Last failure to reach the authority. A later success does not clear the failure. */
  lastFailure: datedFailureSchema.nullable(),
})
export type Context = DeepReadonly<z.infer<typeof contextSchema>>
