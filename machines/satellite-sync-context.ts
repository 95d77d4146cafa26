import { z } from 'zod'
import { attemptSchema } from './agent-context.ts'
import type { DeepReadonly } from './deep-readonly.ts'

/** The stored snapshot of the satellite synchronization machine: the schema is the one declaration. */

const instant = z.number()

const hour = z.int('an hour is a whole number').min(0, 'an hour is 0 to 23').max(23, 'an hour is 0 to 23')
const WEEKDAY = 'a day of the week is 1, Monday, to 7'
const MONTHDAY = 'a day of the month is 1 to 28'

export const syncScheduleSchema = z.discriminatedUnion('every', [
  z.object({ every: z.literal('never') }),
  z.object({ every: z.literal('day'), hour }),
  /** Day 1 is Monday. */
  z.object({ every: z.literal('week'), day: z.int().min(1, WEEKDAY).max(7, WEEKDAY), hour }),
  /** Days 1 to 28, which every month has. */
  z.object({ every: z.literal('month'), day: z.int().min(1, MONTHDAY).max(28, MONTHDAY), hour }),
])
/** When a satellite synchronizes by itself: days and hours are UTC. */
export type SyncSchedule = DeepReadonly<z.infer<typeof syncScheduleSchema>>
/** A schedule that is not switched off. */
export type Schedule = Exclude<SyncSchedule, { every: 'never' }>

const syncTermsSchema = z.object({
  /** When the manager answered: a satellite is in touch from then on. */
  answeredAt: instant,
  /** When a synchronization that is overdue is warned of. */
  warnAt: instant,
  /** When the satellite may grant nothing any more: the end of its delegation. */
  restrictAt: instant,
  /** Until when it may synchronize by itself. */
  automaticUntil: instant,
})
/** What the manager said of the time that the satellite has. */
export type SyncTerms = DeepReadonly<z.infer<typeof syncTermsSchema>>

const syncContextSchema = z.object({
  schedule: syncScheduleSchema,
  /** From 0 up to 1, decided once for each satellite: where in the hour it synchronizes, so that not all come together. */
  jitter: z.number(),
  terms: syncTermsSchema.nullable(),
  /** The last exchange that was accepted. */
  lastSync: instant.nullable(),
  last: attemptSchema.nullable(),
  /** When it synchronizes next by itself; null when it does not. */
  nextAt: instant.nullable(),
  failures: z.number(),
  /** The newest request that went out by file and was not answered. */
  carried: z.object({ exchange: z.int(), at: instant }).nullable(),
  /** Days before the end of the automatic credential at which it was last warned of; null before any. */
  told: z.number().nullable(),
})
/** State of a satellite's synchronization. */
export type SyncContext = DeepReadonly<z.infer<typeof syncContextSchema>>

export const syncPositionSchema = z.object({
  value: z.object({
    standing: z.enum(['unregistered', 'current', 'overdue', 'restricted', 'ended']),
    exchange: z.enum(['idle', 'carried', 'asking', 'retrying', 'blocked']),
    credential: z.enum(['none', 'good', 'ending', 'ended']),
  }),
  context: syncContextSchema,
})
/** Stored snapshot of the satellite synchronization machine. */
export type SyncPosition = DeepReadonly<z.infer<typeof syncPositionSchema>>
export type SyncValue = SyncPosition['value']
