import { z } from 'zod'
import { LICENSE_STATES } from '../../machines/state-names.ts'
import { ENGLISH } from './english.ts'
import { entitlementTagSchema } from './entitlement.ts'
import { LicensingError } from './errors.ts'
import { DAY } from './time.ts'

const createTextSchema = (what: string, max: number) =>
  z.string().trim().min(1, `${what} is empty`).max(max, `${what} is longer than ${max} characters`)
/** Ten years, in milliseconds: nothing here lasts longer. */
const MAX_PERIOD_MS = 10 * 366 * DAY
const periodSchema = z.int().min(1).max(MAX_PERIOD_MS)

const tagSchema = z.strictObject({
  tag: entitlementTagSchema,
  name: createTextSchema('the name of a tag', 200),
  description: z.string().max(1000),
})

/** What an order of one SKU gives: licenses of a tag, or the right to a version of the software. */
const skuSchema = z.strictObject({
  sku: z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,63}$/, 'a SKU is 1 to 64 capital letters, digits and -'),
  description: createTextSchema('the description of a SKU', 500),
  grants: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('licenses'), tag: entitlementTagSchema }),
    z.strictObject({ kind: z.literal('version'), version: z.string().regex(/^\d{1,6}$/) }),
  ]),
})

/** How long things last, where a product's terms differ from the field's: milliseconds unless the name says otherwise. */
const periodsSchema = z
  .strictObject({
    evaluationSeconds: periodSchema,
    registrationRenewal: periodSchema,
    authorizationRenewal: periodSchema,
    outOfComplianceRecheck: periodSchema,
    usageReportDelay: periodSchema.max(60_000, 'a change of usage is reported within 60 seconds'),
    maxEarlyContact: periodSchema,
    maxRetryAfter: periodSchema,
    evaluationWarnings: z.array(periodSchema),
    termWarnings: z.array(periodSchema),
  })
  .partial()

const policiesSchema = z.strictObject({
  /** Actions that are refused in a state although it allows everything else: what the product's own terms say. */
  deniedActions: z.partialRecord(
    z.enum(LICENSE_STATES),
    z.strictObject({
      actions: z.array(createTextSchema('an action', 100)),
      reason: createTextSchema('a reason', 500),
    }),
  ),
})

const moduleSchema = z.strictObject({
  /** The name of the module, as the program that brings it says. */
  name: createTextSchema('the name of a module', 100),
  /** What the module is told about this product. The module checks it. */
  settings: z.record(z.string(), z.json()).default({}),
})

/**
 * What is particular to a product, as data: its entitlement tags, its module, its periods, its policies and its SKUs. How to write one: `docs/profiles.md`.
 */
export const profileSchema = z
  .strictObject({
    name: createTextSchema('the name of a profile', 100),
    tags: z.array(tagSchema).min(1, 'a product has an entitlement tag at least'),
    /** The module that counts more than the product declares; null for a product that declares all of its counts. */
    module: moduleSchema.nullable().default(null),
    periods: periodsSchema.default({}),
    policies: policiesSchema.default({ deniedActions: {} }),
    skus: z.array(skuSchema).default([]),
  })
  .superRefine((profile, context) => {
    const tags = profile.tags.map(({ tag }) => tag)
    for (const { grants } of profile.skus)
      if (grants.kind === 'licenses' && !tags.includes(grants.tag))
        context.addIssue({ code: 'custom', message: `it uses the tag ${grants.tag}, which it does not have` })
    for (const list of [tags, profile.skus.map(({ sku }) => sku)])
      for (const one of new Set(list.filter((name, i) => list.indexOf(name) !== i)))
        context.addIssue({ code: 'custom', message: `${one} is in it twice` })
  })

export type ProductProfile = z.infer<typeof profileSchema>
export type ProfileTag = ProductProfile['tags'][number]
export type ProfileSku = ProductProfile['skus'][number]
/** A profile as a product writes it: what is left out has its default. */
export type ProfileInput = z.input<typeof profileSchema>

/**
 * The tag of that name.
 *
 * @throws LicensingError UNKNOWN_TAG, naming those there are
 */
export function requireTag(profile: ProductProfile, tag: string): ProfileTag {
  const known = profile.tags.find((one) => one.tag === tag)
  if (known) return known
  throw new LicensingError(
    'UNKNOWN_TAG',
    `There is no entitlement tag ${JSON.stringify(tag.slice(0, 64))}; there are ${profile.tags.map((one) => one.tag).join(', ')}.`,
  )
}

/** Checks a profile. @throws LicensingError INVALID_ARGUMENT */
export function defineProfile(profile: ProfileInput): ProductProfile {
  const parsed = profileSchema.safeParse(profile, ENGLISH)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The product profile cannot be used: ${where ? `${where}: ` : ''}${issue?.message ?? 'not of its form'}.`,
  )
}
