import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { countSchema, entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import { udiSchema } from '../core/udi.ts'
import {
  parseRotations,
  parseFields,
  parseSections,
  wrap,
  formatRotations,
  formatFields,
  formatSection,
} from './text-format.ts'

/** Licenses of one tag, reserved until one instant or for ever. A tag has several when its licenses end differently. */
export interface ReservedLicense {
  readonly tag: string
  readonly count: number
  /** When the term of these licenses ends; null for perpetual ones. */
  readonly endsAt: Instant | null
}

/** What a reservation authorization code file says (guide, "Obtain the Reservation Authorization Code File"). */
export interface Authorization {
  readonly udi: { readonly pid: string; readonly serial: string; readonly version: string }
  readonly smartAccount: string
  readonly virtualAccount: string
  readonly authorityId: string
  readonly reservationId: string
  /** The box's number of the request that it answers. */
  readonly request: number
  /** Restores of the authority; authorizations of one reservation compare as (epoch, sequence). */
  readonly epoch: number
  readonly sequence: number
  readonly issuedAt: Instant
  readonly licenses: readonly (ReservedLicense & { readonly name: string })[]
  /** X25519 public keys, base64url: the one of the request, and the authority's. */
  readonly deviceKey: string
  readonly authorityKey: string
  readonly trustBundle: number
  /** A satellite's leave to reserve, signed by its manager; null in a manager's own file. */
  readonly mandate: string | null
  /** The bundles of roots there are so far, signed, the oldest first: for a box that has missed them. */
  readonly trustBundles: readonly string[]
}

export const AUTHORIZATION_TITLE = 'SMART LICENSING RESERVATION AUTHORIZATION, version 1'

/** The fields, in their order. */
const FIELDS = [
  ['Product', 'product'],
  ['Serial number', 'serial'],
  ['Product version', 'version'],
  ['Smart account', 'smartAccount'],
  ['Virtual account', 'virtualAccount'],
  ['Authority', 'authorityId'],
  ['Reservation', 'reservationId'],
  ['Request', 'request'],
  ['Authorization', 'sequence'],
  ['Epoch', 'epoch'],
  ['Issued', 'issuedAt'],
  ['Trust bundle', 'trustBundle'],
  ['Box key', 'deviceKey'],
  ['Authority key', 'authorityKey'],
] as const
type FieldName = (typeof FIELDS)[number][1]

const LICENSES_HEADING = 'Reserved licenses:'
const DELEGATION_HEADING = 'Mandate:'
const ROTATIONS_HEADING = 'Trust bundles:'
const LICENSE_PATTERN = /^ {2}(\S+) +(\d{1,9}) {2}(perpetual|until (\S+)) {2}(\S.*)$/

/** The lines of the file, for signing. */
export function formatAuthorization(authorization: Authorization): string[] {
  const { udi, licenses, issuedAt } = authorization
  const values: Record<FieldName, string | number> = {
    ...authorization,
    product: udi.pid,
    serial: udi.serial,
    version: udi.version,
    issuedAt: toIsoString(issuedAt),
  }
  const width = Math.max(...licenses.map(({ tag }) => tag.length))
  return [
    AUTHORIZATION_TITLE,
    '',
    ...formatFields(FIELDS, values),
    '',
    LICENSES_HEADING,
    ...licenses.map(
      ({ tag, count, endsAt, name }) =>
        `  ${tag.padEnd(width)} ${String(count).padStart(9)}  ${endsAt === null ? 'perpetual' : `until ${toIsoString(endsAt)}`}  ${name}`,
    ),
    '',
    ...(authorization.mandate === null ? [] : formatSection('Mandate', wrap(authorization.mandate))),
    ...formatRotations(authorization.trustBundles),
  ]
}

const integerSchema = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,8})$/)
  .transform(Number)
const instantSchema = z.iso.datetime({ precision: 3 }).transform((text) => Date.parse(text))
const publicKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .refine((text) => Buffer.from(text, 'base64url').toString('base64url') === text)

const fieldsSchema = z.object({
  product: udiSchema.shape.pid,
  serial: udiSchema.shape.serial,
  version: udiSchema.shape.version,
  smartAccount: z.string().min(1),
  virtualAccount: z.string().min(1),
  authorityId: z.uuid(),
  reservationId: z.uuid(),
  request: integerSchema,
  sequence: integerSchema,
  epoch: integerSchema,
  issuedAt: instantSchema,
  trustBundle: integerSchema,
  deviceKey: publicKeySchema,
  authorityKey: publicKeySchema,
})
const licenseSchema = z.object({
  tag: entitlementTagSchema,
  count: countSchema.min(1),
  endsAt: instantSchema.nullable(),
  name: z.string(),
})

const createMalformedError = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The authorization file cannot be used: ${why}.`, {
    remedy: 'Update this program: the file may be of a newer version of the authority.',
  })

/**
 * Reads the lines of a file whose signature is right.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED
 */
export function parseAuthorization(lines: readonly string[]): Authorization {
  const head = lines.indexOf(LICENSES_HEADING)
  if (
    lines[0] !== AUTHORIZATION_TITLE ||
    lines[1] !== '' ||
    head !== FIELDS.length + 3 ||
    lines[head - 1] !== ''
  )
    throw createMalformedError('its lines are not in their order')
  const fields = fieldsSchema.safeParse(parseFields(lines, 2, FIELDS, createMalformedError), ENGLISH)
  if (!fields.success)
    throw createMalformedError(`its line ${String(fields.error.issues[0]?.path[0])} is not of its form`)
  const [mandateAt, bundlesAt] = [lines.indexOf(DELEGATION_HEADING), lines.indexOf(ROTATIONS_HEADING)]
  const [foot = lines.length] = [mandateAt, bundlesAt].filter((at) => at !== -1)
  const rows = lines.slice(head + 1, foot)
  while (rows.at(-1) === '') rows.pop()
  const mandate =
    mandateAt === -1
      ? null
      : parseSections(
          bundlesAt === -1 ? lines : lines.slice(0, bundlesAt),
          mandateAt,
          ['Mandate'],
          createMalformedError,
        ).Mandate.join('') || null
  const licenses = rows.map((line) => {
    const [, tag, count, , until, name] = LICENSE_PATTERN.exec(line) ?? []
    const license = licenseSchema.safeParse({ tag, count: Number(count), endsAt: until ?? null, name })
    if (!license.success)
      throw createMalformedError(`a reserved license is not of its form: ${quoteForError(line)}`)
    return license.data
  })
  if (licenses.length === 0) throw createMalformedError('it reserves nothing')
  const { product: pid, serial, version, ...rest } = fields.data
  return { ...rest, udi: { pid, serial, version }, licenses, mandate, trustBundles: parseRotations(lines) }
}

/** When an authorization says it was issued: unchecked, from its lines; 0 when it does not say. */
export function parseIssuedAt(lines: readonly string[]): Instant {
  const line = lines.find((one) => one.startsWith('Issued: '))
  const time = Date.parse(line?.slice('Issued: '.length).trim() ?? '')
  return Number.isNaN(time) ? 0 : time
}
