import { z } from 'zod'
import { attemptSchema } from './agent-context.ts'
import type { DeepReadonly } from './deep-readonly.ts'

// The stored snapshot of the satellite synchronization machine. The types are derived from the schemas.

const instantSchema = z.number()

const hourSchema = z
  .int('the hour must be a whole number')
  .min(0, 'the hour must be 0 to 23')
  .max(23, 'the hour must be 0 to 23')
const WEEKDAY_MESSAGE = 'the day of the week must be 1 (Monday) to 7 (Sunday)'
const MONTHDAY_MESSAGE = 'the day of the month must be 1 to 28'

export const syncScheduleSchema = z.discriminatedUnion('every', [
  z.object({ every: z.literal('never') }),
  z.object({ every: z.literal('day'), hour: hourSchema }),
  /** Day 1 is Monday. */
  z.object({
    every: z.literal('week'),
    day: z.int().min(1, WEEKDAY_MESSAGE).max(7, WEEKDAY_MESSAGE),
    hour: hourSchema,
  }),
  /** Days 1 to 28, which every month has. */
  z.object({
    every: z.literal('month'),
    day: z.int().min(1, MONTHDAY_MESSAGE).max(28, MONTHDAY_MESSAGE),
    hour: hourSchema,
  }),
])
/** Schedule on which a satellite synchronizes automatically. Days and hours are UTC. */
export type SyncSchedule = DeepReadonly<z.infer<typeof syncScheduleSchema>>
/** Schedule with automatic runs. */
export type ActiveSchedule = Exclude<SyncSchedule, { every: 'never' }>

const syncTermsSchema = z.object({
  /** Instant of the manager's answer. */
  answeredAt: instantSchema,
  /** Instant from which the satellite warns that a synchronization is overdue. */
  warnAt: instantSchema,
  /** End of the satellite's delegation. From this instant the satellite grants no licenses. */
  restrictAt: instantSchema,
  /** Expiry of the credential for automatic synchronization. */
  automaticUntil: instantSchema,
})
/** Deadlines that the manager set for the satellite. */
export type SyncTerms = DeepReadonly<z.infer<typeof syncTermsSchema>>

const syncContextSchema = z.object({
  schedule: syncScheduleSchema,
  /** Fraction of the hour in [0, 1), drawn once per satellite, so that satellites do not synchronize together. */
  jitter: z.number(),
  terms: syncTermsSchema.nullable(),
  /** Instant of the last accepted exchange. */
  lastSync: instantSchema.nullable(),
  /** Last attempt, with its outcome. */
  last: attemptSchema.nullable(),
  /** Instant of the next automatic synchronization. Null when none is scheduled. */
  nextAt: instantSchema.nullable(),
  failures: z.number(),
  /** Newest exported request file whose answer was not imported yet. */
  exportedRequest: z.object({ exchange: z.int(), at: instantSchema }).nullable(),
  /** Threshold of the last warning about the credential, in days before its end. Null before any warning. */
  lastWarningDays: z.number().nullable(),
})
export type SyncContext = DeepReadonly<z.infer<typeof syncContextSchema>>

export const syncSnapshotSchema = z.object({
  value: z.object({
    status: z.enum(['unregistered', 'current', 'overdue', 'restricted', 'ended']),
    exchange: z.enum(['idle', 'awaiting-import', 'requesting', 'retrying', 'blocked']),
    credential: z.enum(['missing', 'valid', 'expiring', 'expired']),
  }),
  context: syncContextSchema,
})
export type SyncSnapshot = DeepReadonly<z.infer<typeof syncSnapshotSchema>>
export type SyncStateValue = SyncSnapshot['value']
