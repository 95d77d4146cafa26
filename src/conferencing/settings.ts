import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { DAY } from '../core/time.ts'

/** Deployment sizes and their ports (planning guide, "System Licenses"). */
export const PORTS_BY_SIZE = { micro: 50, small: 250, medium: 800, large: 2000 } as const
export type Size = keyof typeof PORTS_BY_SIZE
/** Ports of an extended large deployment. */
export const EXTENDED_PORTS = 4000

/** Ten years. */
const MAX_DURATION_MS = 10 * 366 * DAY

const deploymentSchema = z.strictObject({
  /** Tag of the license that extends a large deployment to 4000 ports (R-SYS-2). */
  extendedTag: entitlementTagSchema,
  /** Tags of multi-data-center licenses by size. A size without a tag cannot have several data centers (R-SYS-3). */
  dataCenterTags: z.partialRecord(z.enum(['micro', 'small', 'medium', 'large']), entitlementTagSchema),
})

/** Settings of the conferencing module in a profile (`module.settings`). */
const settingsSchema = z.strictObject({
  /** Tag of the host license (R-HOST-1). Null for a product without hosts. */
  perHostTag: entitlementTagSchema.nullable().default(null),
  /** Tags of deployment licenses. Null for a product without deployment sizes. */
  deployment: deploymentSchema.nullable().default(null),
  /** Maximum number of simultaneous meetings per host license (R-HOST-4). */
  maxConcurrentMeetings: z.int().min(1).max(1000).default(2),
  /** Time after which a meeting ends automatically, in milliseconds. */
  maxMeetingDuration: z.int().min(1).max(MAX_DURATION_MS).default(DAY),
})

export type ConferencingSettings = z.infer<typeof settingsSchema>

/** Validates the settings of a profile. @throws LicensingError INVALID_ARGUMENT */
export function parseSettings(settings: unknown, tags: readonly string[]): ConferencingSettings {
  const parsed = settingsSchema.safeParse(settings, ENGLISH)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalidSettingsError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`)
  }
  const { perHostTag, deployment } = parsed.data
  const used = [perHostTag, deployment?.extendedTag, ...Object.values(deployment?.dataCenterTags ?? {})]
  for (const tag of used)
    if (typeof tag === 'string' && !tags.includes(tag))
      throw invalidSettingsError(`they use the tag ${tag}, which the profile does not have`)
  return parsed.data
}

const invalidSettingsError = (reason: string) =>
  new LicensingError(
    'INVALID_ARGUMENT',
    `The settings of the conferencing module in the product profile cannot be used: ${reason}.`,
  )
