import { z } from 'zod'
import { LICENSE_STATES } from '../../machines/state-names.ts'
import { ENGLISH } from './english.ts'
import { entitlementTagSchema } from './entitlement.ts'
import { LicensingError } from './errors.ts'
import { DAY } from './time.ts'

const createTextSchema = (what: string, max: number) =>
  z
    .string()
    .trim()
    .min(1, `${what} is empty`)
    .max(max, `${what} is longer than ${max} characters`)
    .regex(/^\P{Cc}*$/u, `${what} has a control character`)
const MAX_NAME_LENGTH = 100
const versionSchema = z.int().min(1).max(1_000_000)
/** Maximum period: ten years. */
const MAX_PERIOD_MS = 10 * 366 * DAY
const periodSchema = z.int().min(1).max(MAX_PERIOD_MS)

/** Entitlement tag. By default its name is the tag itself. */
const tagSchema = z
  .strictObject({
    tag: entitlementTagSchema,
    name: createTextSchema('the name of a tag', 200).optional(),
    description: z.string().max(1000).default(''),
  })
  .transform(({ tag, name = tag, description }) => ({ tag, name, description }))

/** SKU that can be ordered. It grants licenses of a tag, or the right to a software version. */
const skuSchema = z.strictObject({
  sku: z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,63}$/, 'a SKU has 1 to 64 capital letters, digits and -'),
  description: createTextSchema('the description of a SKU', 500),
  grants: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('licenses'), tag: entitlementTagSchema }),
    z.strictObject({ kind: z.literal('version'), version: z.string().regex(/^\d{1,6}$/) }),
  ]),
})

/** Periods that differ from the defaults. Milliseconds unless the name has another unit. */
const periodsSchema = z
  .strictObject({
    evaluationSeconds: periodSchema,
    registrationRenewal: periodSchema,
    authorizationRenewal: periodSchema,
    outOfComplianceRecheck: periodSchema,
    usageReportDelay: periodSchema.max(60_000, 'a change of usage must be reported within 60 seconds'),
    maxEarlyContact: periodSchema,
    maxRetryAfter: periodSchema,
    evaluationWarnings: z.array(periodSchema),
    termWarnings: z.array(periodSchema),
  })
  .partial()

const policiesSchema = z.strictObject({
  /** Actions that the product refuses in a license state that otherwise allows them. */
  deniedActions: z
    .partialRecord(
      z.enum(LICENSE_STATES),
      z.strictObject({
        actions: z.array(createTextSchema('an action', 100)),
        reason: createTextSchema('a reason', 500),
      }),
    )
    .default({}),
})

const moduleSchema = z.strictObject({
  /** Name of the module, as the program that includes it defines it. */
  name: createTextSchema('the name of a module', 100),
  /** Settings of the module for this product. The module validates them. */
  settings: z.record(z.string(), z.json()).default({}),
})

/**
 * Product profile: entitlement tags, module, periods, policies and SKUs of a product. See `docs/profiles.md`.
 */
export const profileSchema = z
  .strictObject({
    name: createTextSchema('the name of a profile', MAX_NAME_LENGTH),
    /** Version of the profile, which the product raises with each change. */
    version: versionSchema.default(1),
    tags: z.array(tagSchema).min(1, 'a product must have at least one entitlement tag'),
    /** Module that counts usage. Null for a product that declares all of its usage. */
    module: moduleSchema.nullable().default(null),
    periods: periodsSchema.default({}),
    policies: policiesSchema.prefault({}),
    skus: z.array(skuSchema).default([]),
  })
  .superRefine((profile, context) => {
    const tags = profile.tags.map(({ tag }) => tag)
    for (const { grants } of profile.skus)
      if (grants.kind === 'licenses' && !tags.includes(grants.tag))
        context.addIssue({
          code: 'custom',
          message: `a SKU grants the tag ${grants.tag}, which the profile does not have`,
        })
    for (const list of [tags, profile.skus.map(({ sku }) => sku)])
      for (const duplicate of new Set(list.filter((name, i) => list.indexOf(name) !== i)))
        context.addIssue({ code: 'custom', message: `${duplicate} appears twice` })
  })

/** Entitlement tag with its name and description. */
export type ProfileTag<Tag extends string = string> = z.infer<typeof profileSchema>['tags'][number] & {
  tag: Tag
}
/**
 * Validated profile.
 *
 * @typeParam Tag the entitlement tags, as a union of literals if `defineProfile` created the profile
 */
export type ProductProfile<Tag extends string = string> = Omit<z.infer<typeof profileSchema>, 'tags'> & {
  tags: ProfileTag<Tag>[]
}
export type ProfileSku = ProductProfile['skus'][number]
/** Profile as a product writes it. Omitted members have defaults. */
export type ProfileInput<Tag extends string = string> = Omit<z.input<typeof profileSchema>, 'tags'> & {
  tags: (z.input<typeof profileSchema>['tags'][number] & { tag: Tag })[]
}
/** Schema of a profile's name and version in messages, and as stored by a device. */
export const profileIdSchema = z.object({
  name: z
    .string()
    .max(MAX_NAME_LENGTH)
    .regex(/^\P{Cc}*$/u)
    .min(1),
  version: versionSchema,
})
/** Name and version of a profile, which device and authority compare. */
export type ProfileId = Pick<ProductProfile, 'name' | 'version'>

export const toProfileId = ({ name, version }: ProfileId): ProfileId => ({ name, version })

export const isSameProfileId = (a: ProfileId, b: ProfileId): boolean =>
  a.name === b.name && a.version === b.version

/** Formats the name and version of a profile, for messages. */
export const formatProfileId = ({ name, version }: ProfileId): string => `${name}, version ${version}`

/**
 * Returns a tag of the profile.
 *
 * @throws LicensingError UNKNOWN_TAG, with a list of the tags
 */
export function requireTag(profile: ProductProfile, tag: string): ProfileTag {
  const known = profile.tags.find((candidate) => candidate.tag === tag)
  if (known) return known
  throw new LicensingError(
    'UNKNOWN_TAG',
    `The product has no entitlement tag ${JSON.stringify(tag.slice(0, 64))}. Its tags are ${profile.tags.map(({ tag }) => tag).join(', ')}.`,
  )
}

/**
 * Validates a profile and sets its defaults. The type of the result has the entitlement tags, so that an agent opened
 * with it accepts no other tags.
 *
 * @throws LicensingError INVALID_ARGUMENT, which names the first invalid part
 */
export function defineProfile<const Tag extends string>(profile: ProfileInput<Tag>): ProductProfile<Tag> {
  return parseProfile(profile) as ProductProfile<Tag>
}

/**
 * Parses a profile from any value, such as the content of a file.
 *
 * @throws LicensingError INVALID_ARGUMENT, which names the first invalid part
 */
export function parseProfile(value: unknown): ProductProfile {
  const parsed = profileSchema.safeParse(value, ENGLISH)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The product profile cannot be used: ${where ? `${where}: ` : ''}${issue?.message ?? 'not valid'}.`,
  )
}

/**
 * Parses the JSON text of a profile, such as a file.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function parseProfileText(text: string): ProductProfile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new LicensingError('INVALID_ARGUMENT', 'The product profile cannot be used: it is not JSON.')
  }
  return parseProfile(value)
}
