import { z } from 'zod'
import { attemptSchema } from './agent-context.ts'
import type { DeepReadonly } from './deep-readonly.ts'

/** The stored snapshot of the satellite synchronization machine: the schema is the one declaration. */

const instantSchema = z.number()

const hourSchema = z
  .int('an hour is a whole number')
  .min(0, 'an hour is 0 to 23')
  .max(23, 'an hour is 0 to 23')
const WEEKDAY_MESSAGE = 'a day of the week is 1, Monday, to 7'
const MONTHDAY_MESSAGE = 'a day of the month is 1 to 28'

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
/** When a satellite synchronizes by itself: days and hours are UTC. */
export type SyncSchedule = DeepReadonly<z.infer<typeof syncScheduleSchema>>
/** A schedule that is not switched off. */
export type Schedule = Exclude<SyncSchedule, { every: 'never' }>

const syncTermsSchema = z.object({
  /** When the manager answered: a satellite is in touch from then on. */
  answeredAt: instantSchema,
  /** When a synchronization that is overdue is warned of. */
  warnAt: instantSchema,
  /** When the satellite may grant nothing any more: the end of its delegation. */
  restrictAt: instantSchema,
  /** Until when it may synchronize by itself. */
  automaticUntil: instantSchema,
})
/** What the manager said of the time that the satellite has. */
export type SyncTerms = DeepReadonly<z.infer<typeof syncTermsSchema>>

const syncContextSchema = z.object({
  schedule: syncScheduleSchema,
  /** From 0 up to 1, decided once for each satellite: where in the hour it synchronizes, so that not all come together. */
  jitter: z.number(),
  terms: syncTermsSchema.nullable(),
  /** The last exchange that was accepted. */
  lastSync: instantSchema.nullable(),
  last: attemptSchema.nullable(),
  /** When it synchronizes next by itself; null when it does not. */
  nextAt: instantSchema.nullable(),
  failures: z.number(),
  /** The newest request that went out by file and was not answered. */
  exportedRequest: z.object({ exchange: z.int(), at: instantSchema }).nullable(),
  /** Days before the end of the automatic credential at which it was last warned of; null before any. */
  lastWarningDays: z.number().nullable(),
})
/** State of a satellite's synchronization. */
export type SyncContext = DeepReadonly<z.infer<typeof syncContextSchema>>

export const syncSnapshotSchema = z.object({
  value: z.object({
    status: z.enum(['unregistered', 'current', 'overdue', 'restricted', 'ended']),
    exchange: z.enum(['idle', 'awaiting-import', 'requesting', 'retrying', 'blocked']),
    credential: z.enum(['missing', 'valid', 'expiring', 'expired']),
  }),
  context: syncContextSchema,
})
/** Stored snapshot of the satellite synchronization machine. */
export type SyncSnapshot = DeepReadonly<z.infer<typeof syncSnapshotSchema>>
export type SyncStateValue = SyncSnapshot['value']
