import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { DAY } from '../core/time.ts'

/** Deployment sizes and their ports (guide, "System Licenses"). */
export const PORTS_BY_SIZE = { micro: 50, small: 250, medium: 800, large: 2000 } as const
export type Size = keyof typeof PORTS_BY_SIZE
/** Ports of a large deployment that was extended. */
export const EXTENDED_PORTS = 4000

/** Ten years, in milliseconds. */
const MAX_DURATION_MS = 10 * 366 * DAY

const deploymentSchema = z.strictObject({
  /** License of a large deployment that is extended to 4000 ports (R-SYS-2). */
  extendedTag: entitlementTagSchema,
  /** Licenses of a multi-data-center system, by its size; a size without one cannot be such a system (R-SYS-3). */
  dataCenterTags: z.partialRecord(z.enum(['micro', 'small', 'medium', 'large']), entitlementTagSchema),
})

/** What a profile says to the conferencing module: `module.settings`. */
const settingsSchema = z.strictObject({
  /** The tag of which every host takes one (R-HOST-1); null for a product without hosts. */
  perHostTag: entitlementTagSchema.nullable().default(null),
  /** Deployment sizes and data centers; null for a product that is one device. */
  deployment: deploymentSchema.nullable().default(null),
  /** Meetings that one host runs at once, on one license (R-HOST-4). */
  maxConcurrentMeetings: z.int().min(1).max(1000).default(2),
  /** A meeting that nobody ends is over after so many milliseconds. */
  maxMeetingDuration: z.int().min(1).max(MAX_DURATION_MS).default(DAY),
})

export type ConferencingSettings = z.infer<typeof settingsSchema>

/** Checks the settings of a profile. @throws LicensingError INVALID_ARGUMENT */
export function parseSettings(settings: unknown, tags: readonly string[]): ConferencingSettings {
  const parsed = settingsSchema.safeParse(settings, ENGLISH)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalidSettingsError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not of its form'}`)
  }
  const { perHostTag, deployment } = parsed.data
  const used = [perHostTag, deployment?.extendedTag, ...Object.values(deployment?.dataCenterTags ?? {})]
  for (const tag of used)
    if (typeof tag === 'string' && !tags.includes(tag))
      throw invalidSettingsError(`they use the tag ${tag}, which the profile does not have`)
  return parsed.data
}

const invalidSettingsError = (why: string) =>
  new LicensingError(
    'INVALID_ARGUMENT',
    `The product profile cannot be used: the settings of the conferencing module: ${why}.`,
  )
