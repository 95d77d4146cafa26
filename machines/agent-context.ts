import { z } from 'zod'
import type { DeepReadonly } from './deep-readonly.ts'

/**
 * The stored context of the agent machine: plain JSON, every instant absolute. The schema is the one declaration, from
 * which the types are derived. The machine itself imports the types alone.
 */

const instantSchema = z.number()

/** Why an attempt did not succeed, in the words of the error table. */
export const failureSchema = z.object({ code: z.string(), message: z.string(), remedy: z.string() })
export type Failure = DeepReadonly<z.infer<typeof failureSchema>>

const datedFailureSchema = failureSchema.extend({ at: instantSchema })

/** The end of one attempt, for status and history. */
export const attemptSchema = z.object({
  at: instantSchema,
  outcome: z.enum(['succeeded', 'failed']),
  reason: failureSchema.nullable(),
})
export type Attempt = DeepReadonly<z.infer<typeof attemptSchema>>

const countsSchema = z.record(z.string(), z.number())
/** Numbers of licenses, by tag. */
export type UsageCounts = DeepReadonly<z.infer<typeof countsSchema>>

const entitlementSchema = z.object({
  tag: z.string(),
  name: z.string(),
  description: z.string(),
  count: z.number(),
  status: z.enum(['in-compliance', 'out-of-compliance', 'invalid-tag']),
})
/** One tag as the authority answered it. */
export type Entitlement = DeepReadonly<z.infer<typeof entitlementSchema>>

const registrationSchema = z.object({
  instanceId: z.string(),
  smartAccount: z.string(),
  virtualAccount: z.string(),
  exportControlled: z.boolean(),
  registeredAt: instantSchema,
  /** The end of the ID certificate, by the certificate's own date. */
  expiresAt: instantSchema,
})
/** What a registration gives: the identity of the device at the authority, and its end. */
export type Registration = DeepReadonly<z.infer<typeof registrationSchema>>

const reservedLicenseSchema = z.object({
  tag: z.string(),
  name: z.string(),
  count: z.number(),
  endsAt: instantSchema.nullable(),
  /** Seconds before the end at which it was last warned of; 0 when the end was told; null before any warning. */
  lastWarningSeconds: z.number().nullable(),
})
/** Licenses of one tag that are reserved for this device, until an instant or without end. */
export type ReservedLicense = DeepReadonly<z.infer<typeof reservedLicenseSchema>>

const grantSchema = z.object({
  reservationId: z.string(),
  authorityId: z.string(),
  /** The authority's key for codes, base64url: public. */
  authorityKey: z.string(),
  smartAccount: z.string(),
  virtualAccount: z.string(),
  epoch: z.int(),
  sequence: z.int(),
  issuedAt: instantSchema,
  installedAt: instantSchema,
  /** When the first authorization of this reservation was installed. */
  reservedAt: instantSchema,
  licenses: z.array(reservedLicenseSchema),
  /** What the licensing user enters at the authority after an update; null before the first. */
  confirmationCode: z.string().nullable(),
  /** The latest instant of this device that the next file must be younger than: its clock is checked by it. */
  knownAt: instantSchema,
})
/** An authorization file that was installed: what it reserves, and what is needed to take a newer one. */
export type InstalledAuthorization = DeepReadonly<z.infer<typeof grantSchema>>

const returnedSchema = z.object({
  /** The request that it answered. */
  request: z.int(),
  reservationId: z.string(),
  returnCode: z.string(),
  at: instantSchema,
})
/** A reservation that was returned: kept, since its files may come again and its code may be asked for again. */
export type ReturnedReservation = DeepReadonly<z.infer<typeof returnedSchema>>

/** Specific license reservation: at most one is current, and it belongs to the newest request. */
const reservationSchema = z.object({
  /** Requests made so far: each has a number, and a key of its own. */
  requests: z.int().min(0),
  current: z
    .discriminatedUnion('stage', [
      z.object({ stage: z.literal('requested'), requestCode: z.string(), at: instantSchema }),
      z.object({ stage: z.literal('installed'), requestCode: z.string(), grant: grantSchema }),
      z.object({
        stage: z.literal('returning'),
        requestCode: z.string(),
        grant: grantSchema,
        returnCode: z.string(),
      }),
    ])
    .nullable(),
  returned: z.array(returnedSchema),
})
/** State of the reservations of a device. */
export type ReservationState = DeepReadonly<z.infer<typeof reservationSchema>>

/** What a product may set differently. The defaults are the guide's and the field's. */
const periodsSchema = z.object({
  /** Seconds of use before the device must be registered (guide: 90 days). */
  evaluationSeconds: z.number(),
  /** From one success to the next renewal of the registration (guide: six months; field: 180 days). */
  registrationRenewal: z.number(),
  /** From one success to the next authorization while authorized (guide: 30 days). */
  authorizationRenewal: z.number(),
  /** The same while out of compliance (field: 12 hours). */
  outOfComplianceRecheck: z.number(),
  /** How long changes of usage are gathered before they are reported; at most 60 seconds pass. */
  usageReportDelay: z.number(),
  /** An authority's wish for an earlier contact is followed by at most this much. */
  maxEarlyContact: z.number(),
  /** `Retry-After` beyond this is not believed: it is unsigned. */
  maxRetryAfter: z.number(),
  /** Warnings before the evaluation ends, in seconds left. */
  evaluationWarnings: z.array(z.number()),
  /** Warnings before the term of reserved licenses ends, in seconds left. */
  termWarnings: z.array(z.number()),
})
/** Periods of a product. */
export type Periods = DeepReadonly<z.infer<typeof periodsSchema>>

export const contextSchema = z.object({
  periods: periodsSchema,
  evaluation: z.object({
    remainingSeconds: z.number().min(0),
    /** Seconds are being used: until registration and the first authorization have both succeeded. */
    running: z.boolean(),
  }),
  registration: registrationSchema.nullable(),
  /** The attempt to register, or to register again, that is under way. */
  registering: z
    .object({ force: z.boolean(), failures: z.number(), nextAttemptAt: instantSchema.nullable() })
    .nullable(),
  /** Why there is no registration, or why the last attempt at one failed. */
  registrationFailure: datedFailureSchema.nullable(),
  renewal: z.object({
    last: attemptSchema.nullable(),
    nextAt: instantSchema.nullable(),
    failures: z.number(),
  }),
  authorization: z.object({
    /** When the license state was entered; polls that change nothing leave it. */
    since: instantSchema,
    last: attemptSchema.nullable(),
    nextAttemptAt: instantSchema.nullable(),
    deadlineAt: instantSchema.nullable(),
    failures: z.number(),
    entitlements: z.array(entitlementSchema),
  }),
  usage: z.object({
    /** What is in use now. */
    counts: countsSchema,
    /** What the authority last heard; null when it heard nothing under this registration. */
    reported: countsSchema.nullable(),
    reportAt: instantSchema.nullable(),
  }),
  reservation: reservationSchema,
  lastFailure: datedFailureSchema.nullable(),
})
/** Stored context of the agent machine. */
export type Context = DeepReadonly<z.infer<typeof contextSchema>>
