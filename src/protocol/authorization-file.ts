import { z } from 'zod'
import { createDisplayTextSchema } from '../core/display-text.ts'
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

/** Licenses of one tag that are reserved until the same instant or perpetually. A tag has one entry for each end. */
export interface ReservedLicense {
  readonly tag: string
  readonly count: number
  /** End of the term of these licenses; null for perpetual licenses. */
  readonly endsAt: Instant | null
}

/** Content of a reservation authorization code file (guide, "Obtain the Reservation Authorization Code File"). */
export interface Authorization {
  readonly udi: { readonly pid: string; readonly serial: string; readonly version: string }
  readonly smartAccount: string
  readonly virtualAccount: string
  readonly authorityId: string
  readonly reservationId: string
  /** Number, counted by the device, of the request that the file answers. */
  readonly request: number
  /** Number of restores of the authority. Authorizations of one reservation compare as (epoch, sequence). */
  readonly epoch: number
  readonly sequence: number
  readonly issuedAt: Instant
  readonly licenses: readonly (ReservedLicense & { readonly name: string })[]
  /** X25519 public keys of the request and of the authority, base64url. */
  readonly deviceKey: string
  readonly authorityKey: string
  readonly trustBundle: number
  /** Delegation of a satellite, signed by its manager; null in a manager's own file. */
  readonly mandate: string | null
  /** All signed root rotation statements, oldest first, for a device that has missed them. */
  readonly trustBundles: readonly string[]
}

export const AUTHORIZATION_TITLE = 'SMART LICENSING RESERVATION AUTHORIZATION, version 1'

/** Fields in the order of their lines. */
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
  ['Device key', 'deviceKey'],
  ['Authority key', 'authorityKey'],
] as const
type FieldName = (typeof FIELDS)[number][1]

const LICENSES_HEADING = 'Reserved licenses:'
const DELEGATION_HEADING = 'Mandate:'
const ROTATIONS_HEADING = 'Trust bundles:'
const LICENSE_PATTERN = /^ {2}(\S+) +(\d{1,9}) {2}(perpetual|until (\S+)) {2}(\S.*)$/

/** Formats the lines of the file, for signing. */
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
  smartAccount: createDisplayTextSchema(253).min(1),
  virtualAccount: createDisplayTextSchema(200).min(1),
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
  name: createDisplayTextSchema(1000),
})

const createMalformedError = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The authorization file cannot be used: ${why}.`, {
    remedy: 'Update this program: the file may have been written by a newer version of the authority.',
  })

/**
 * Parses the lines of a file whose signature has been verified.
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
    throw createMalformedError('its lines are not in the expected order')
  const fields = fieldsSchema.safeParse(parseFields(lines, 2, FIELDS, createMalformedError), ENGLISH)
  if (!fields.success)
    throw createMalformedError(`the field ${String(fields.error.issues[0]?.path[0])} is not valid`)
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
      throw createMalformedError(`a reserved license is not valid: ${quoteForError(line)}`)
    return license.data
  })
  if (licenses.length === 0) throw createMalformedError('it has no reserved licenses')
  const { product: pid, serial, version, ...rest } = fields.data
  return { ...rest, udi: { pid, serial, version }, licenses, mandate, trustBundles: parseRotations(lines) }
}

/** Returns the unverified issue time from the lines of an authorization; 0 if there is none. */
export function parseIssuedAt(lines: readonly string[]): Instant {
  const line = lines.find((candidate) => candidate.startsWith('Issued: '))
  const time = Date.parse(line?.slice('Issued: '.length).trim() ?? '')
  return Number.isNaN(time) ? 0 : time
}
