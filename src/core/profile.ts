import { z } from 'zod'
import { ENGLISH } from './english.ts'
import { entitlementTagSchema } from './entitlement.ts'
import { LicensingError } from './errors.ts'
import { DAY, HOUR } from './time.ts'

/** Deployment sizes and their ports (guide, "System Licenses"). */
export const SIZES = { micro: 50, small: 250, medium: 800, large: 2000 } as const
export type Size = keyof typeof SIZES
/** Ports of a large deployment that was extended. */
export const EXTENDED_PORTS = 4000

const words = (what: string, max: number) =>
  z.string().trim().min(1, `${what} is empty`).max(max, `${what} is longer than ${max} characters`)
/** Ten years, in milliseconds: nothing here lasts longer. */
const LONGEST = 10 * 366 * DAY
const wait = z.int().min(1).max(LONGEST)

const tagSchema = z.strictObject({
  tag: entitlementTagSchema,
  name: words('the name of a tag', 200),
  description: z.string().max(1000),
})

/** What an order of one SKU gives: licences of a tag, or the right to a version of the software. */
const skuSchema = z.strictObject({
  sku: z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,63}$/, 'a SKU is 1 to 64 capital letters, digits and -'),
  description: words('the description of a SKU', 500),
  gives: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('licenses'), tag: entitlementTagSchema }),
    z.strictObject({ kind: z.literal('version'), version: z.string().regex(/^\d{1,6}$/) }),
  ]),
})

/** How long things last, where a product's terms differ from the field's: milliseconds unless the name says otherwise. */
const periodsSchema = z
  .strictObject({
    evaluationSeconds: wait,
    registrationRenewal: wait,
    authorizationRenewal: wait,
    complianceCheck: wait,
    usageReport: wait.max(60_000, 'a change of usage is reported within 60 seconds'),
    suggestionReach: wait,
    retryAfterCeiling: wait,
    evaluationWarnings: z.array(wait),
    termWarnings: z.array(wait),
  })
  .partial()

const stateWords = z.enum([
  'evaluation',
  'unregistered',
  'registered',
  'authorized',
  'out-of-compliance',
  'auth-expired',
  'reserved',
])

const policiesSchema = z.strictObject({
  /** Actions that are refused in a state although it allows everything else: what the product's own terms say. */
  refused: z.partialRecord(
    stateWords,
    z.strictObject({ actions: z.array(words('an action', 100)), reason: words('a reason', 500) }),
  ),
  /** Meetings that one host runs at once, on one licence (R-HOST-4). */
  meetingsAtOnce: z.int().min(1).max(1000),
  /** A meeting that nobody ends is over after so many milliseconds: it does not hold its host for ever. */
  longestMeeting: wait,
})

const systemSchema = z.strictObject({
  /** Licence of a large deployment that is extended to 4000 ports (R-SYS-2). */
  extendedTag: entitlementTagSchema,
  /** Licences of a multi-data-center system, by its size; a size without one cannot be such a system (R-SYS-3). */
  dataCenterTags: z.partialRecord(z.enum(['micro', 'small', 'medium', 'large']), entitlementTagSchema),
})

/**
 * What is particular to a product, as data: its entitlement tags, what counts for them, its periods, its policies and its
 * SKUs. How to write one: `docs/profiles.md`.
 */
export const profileSchema = z
  .strictObject({
    name: words('the name of a profile', 100),
    tags: z.array(tagSchema).min(1, 'a product has an entitlement tag at least'),
    /** The tag of which every host takes one (R-HOST-1); null for a product without hosts. */
    hostTag: entitlementTagSchema.nullable().default(null),
    /** Deployment sizes and data centers; null for a product that is one box. */
    system: systemSchema.nullable().default(null),
    periods: periodsSchema.default({}),
    policies: policiesSchema.default({ refused: {}, meetingsAtOnce: 2, longestMeeting: DAY }),
    skus: z.array(skuSchema).default([]),
  })
  .superRefine((profile, context) => {
    const tags = profile.tags.map(({ tag }) => tag)
    const used = [
      profile.hostTag,
      profile.system?.extendedTag,
      ...Object.values(profile.system?.dataCenterTags ?? {}),
      ...profile.skus.map(({ gives }) => (gives.kind === 'licenses' ? gives.tag : null)),
    ].filter((tag) => typeof tag === 'string')
    for (const tag of used)
      if (!tags.includes(tag))
        context.addIssue({ code: 'custom', message: `it uses the tag ${tag}, which it does not have` })
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

/** The shipped profile: the conferencing server of the guide. */
export const conferencing: ProductProfile = defineProfile({
  name: 'conferencing',
  tags: [
    { tag: 'HOST', name: 'Host License', description: 'Permanent host licence, per host' },
    {
      tag: 'SYS-XL',
      name: 'Extended Capacity',
      description: 'Large deployment extended from 2000 to 4000 ports',
    },
    {
      tag: 'MDC-SMALL',
      name: 'Multi-data Center, small',
      description: 'Multi-data center, 250 concurrent users',
    },
    {
      tag: 'MDC-MEDIUM',
      name: 'Multi-data Center, medium',
      description: 'Multi-data center, 800 concurrent users',
    },
    {
      tag: 'MDC-LARGE',
      name: 'Multi-data Center, large and extra large',
      description: 'Multi-data center, 2000 concurrent users and more',
    },
  ],
  hostTag: 'HOST',
  system: {
    extendedTag: 'SYS-XL',
    dataCenterTags: { small: 'MDC-SMALL', medium: 'MDC-MEDIUM', large: 'MDC-LARGE' },
  },
  policies: { refused: {}, meetingsAtOnce: 2, longestMeeting: 24 * HOUR },
  // Guide, "Upgrade SKUs for Cisco Webex Meetings Server Release 4.0".
  skus: [
    {
      sku: 'CWMS-USRUG-K9',
      description: 'User Licenses - Upgrade SKU, per host license',
      gives: { kind: 'licenses', tag: 'HOST' },
    },
    {
      sku: 'CWMS4-UPG-MG-K9',
      description: '4.x SW Kit - Upgrade & Migrations Only, unrestricted (K9)',
      gives: { kind: 'version', version: '4' },
    },
    {
      sku: 'CWMS4-UGMG-UAK9',
      description: '4.x SW Kit Audio Unencrypt - Upgrade & Migrations Only, non-encrypted audio (K7)',
      gives: { kind: 'version', version: '4' },
    },
    {
      sku: 'CWMS-MD-S-UG-S-K9',
      description: 'Small MDC (capacity 250 concurrent users) - Upgrade SKU',
      gives: { kind: 'licenses', tag: 'MDC-SMALL' },
    },
    {
      sku: 'CWMS-MD-M-UG-S-K9',
      description: 'Medium MDC (capacity 800 concurrent users) - Upgrade SKU',
      gives: { kind: 'licenses', tag: 'MDC-MEDIUM' },
    },
    {
      sku: 'CWMS-MD-L-UG-S-K9',
      description: 'Large & XL MDC (capacity 2000+ concurrent users) - Upgrade SKU',
      gives: { kind: 'licenses', tag: 'MDC-LARGE' },
    },
    {
      sku: 'CWMS-XL-UG-S-K9',
      description: 'Large capacity license for 4000 port - Upgrade SKU',
      gives: { kind: 'licenses', tag: 'SYS-XL' },
    },
  ],
})
