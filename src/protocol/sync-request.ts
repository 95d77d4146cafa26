import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { countSchema, entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { parseHostName } from '../core/host-name.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import { udiSchema } from '../core/udi.ts'
import {
  quote,
  parseFields,
  parseRows,
  parseSections,
  unquote,
  parseWords,
  wrap,
  formatFields,
  formatSection,
} from './text-format.ts'

/** Fields that a satellite can redact, so that they do not leave the customer's premises. */
export const REDACTABLE_FIELDS = ['hostnames', 'serial-numbers'] as const
export type RedactableField = (typeof REDACTABLE_FIELDS)[number]

/** Licenses of one tag that an instance uses or that are reserved for it. */
export interface ReportedLicense {
  readonly tag: string
  readonly count: number
  /** End of the reservation; null for used licenses and for perpetual reservations. */
  readonly endsAt: Instant | null
}

/** Product instance that a satellite reports to its manager. */
export interface ReportedInstance {
  readonly kind: 'registered' | 'reserved'
  readonly id: string
  readonly pid: string
  /** Serial number, or `sha256:` and the digest of the UDI if serial numbers are redacted. */
  readonly serial: string
  readonly version: string
  /** Virtual account at the satellite. */
  readonly virtualAccount: string
  readonly since: Instant
  /** Null if unknown or redacted. */
  readonly hostname: string | null
  readonly licenses: readonly ReportedLicense[]
}

/** Reasons why an instance ended. */
export const END_REASONS = ['removed', 'replaced', 'deregistered', 'expired', 'returned', 'lost'] as const
export interface RemovalRecord {
  readonly id: string
  readonly how: (typeof END_REASONS)[number]
}

/** Totals that the manager compares with its own, to detect a lost report. */
export interface SyncCounts {
  readonly registered: number
  readonly reserved: number
  readonly use: readonly { readonly tag: string; readonly count: number }[]
}

/** Report of a satellite to its manager: its instances and their usage, in full or as changes. */
export interface SyncRequest {
  readonly name: string
  readonly satelliteId: string
  readonly smartAccount: string
  readonly epoch: number
  readonly exchange: number
  /** Last exchange whose answer the satellite has, and the hash of that answer. 0 and `none` before the first. */
  readonly after: number
  readonly afterAnswer: string
  readonly report: 'full' | 'changes'
  readonly writtenAt: Instant
  readonly nonce: string
  /** Public key of the satellite: SPKI, base64url. The first answer binds the key to the name. */
  readonly key: string
  /** Proof of the one-time code of `satellite add`, or `none`. */
  readonly enrollment: string
  readonly redactedFields: readonly RedactableField[]
  /** Certificate request for the satellite's issuing CA: PKCS #10, base64. */
  readonly issuingCa: string
  /** Host names and addresses of the satellite's servers, which its CA may issue TLS certificates for. */
  readonly serverNames: readonly string[]
  readonly virtualAccounts: readonly {
    readonly name: string
    /** Virtual account of the manager whose licenses this virtual account divides. */
    readonly of: string
  }[]
  readonly instances: readonly ReportedInstance[]
  readonly ended: readonly RemovalRecord[]
  readonly totals: SyncCounts
}

export const SYNC_REQUEST_TITLE = 'SMART LICENSING SYNCHRONIZATION REQUEST, version 1'

const FIELDS = [
  ['Satellite', 'name'],
  ['Satellite id', 'satelliteId'],
  ['Smart account', 'smartAccount'],
  ['Exchange', 'exchange'],
  ['Epoch', 'epoch'],
  ['After exchange', 'after'],
  ['After answer', 'afterAnswer'],
  ['Report', 'report'],
  ['Written', 'writtenAt'],
  ['Nonce', 'nonce'],
  ['Left out', 'redactedFields'],
  ['Enrollment', 'enrollment'],
  ['Satellite key', 'key'],
] as const

const SECTIONS = [
  'Virtual accounts',
  'Product instances',
  'Ended',
  'Totals',
  'Server names',
  'Issuing CA request',
] as const

export const MAX_SERVER_NAMES = 100

/** Formats licenses as words: `HOST=5`, `HOST=5/2027-01-01T00:00:00.000Z`. */
export const formatLicenses = (licenses: readonly ReportedLicense[]): string[] =>
  licenses.map(
    ({ tag, count, endsAt }) => `${tag}=${count}${endsAt === null ? '' : `/${toIsoString(endsAt)}`}`,
  )

export const formatInstanceRow = (instance: ReportedInstance): string =>
  [
    instance.kind,
    instance.id,
    instance.pid,
    instance.serial,
    instance.version,
    quote(instance.virtualAccount),
    'since',
    toIsoString(instance.since),
    ...(instance.hostname === null ? [] : ['on', quote(instance.hostname)]),
    ...formatLicenses(instance.licenses),
  ].join(' ')

/** Formats the lines of a request, for signing. */
export function formatSyncRequest(request: SyncRequest): string[] {
  const { name, redactedFields, writtenAt, totals } = request
  return [
    SYNC_REQUEST_TITLE,
    '',
    ...formatFields(FIELDS, {
      ...request,
      name: quote(name),
      writtenAt: toIsoString(writtenAt),
      redactedFields: redactedFields.length === 0 ? 'nothing' : redactedFields.join(', '),
    }),
    '',
    ...formatSection(
      'Virtual accounts',
      request.virtualAccounts.map((account) => `${quote(account.name)} of ${quote(account.of)}`),
    ),
    ...formatSection('Product instances', request.instances.map(formatInstanceRow)),
    ...formatSection(
      'Ended',
      request.ended.map(({ id, how }) => `${id} ${how}`),
    ),
    ...formatSection('Totals', [
      `registered ${totals.registered}`,
      `reserved ${totals.reserved}`,
      ...totals.use.map(({ tag, count }) => `${tag} ${count} in use`),
    ]),
    ...formatSection('Server names', request.serverNames),
    ...formatSection('Issuing CA request', wrap(request.issuingCa)),
  ]
}

export const integerSchema = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,11})$/)
  .transform(Number)
export const instantSchema = z.iso.datetime({ precision: 3 }).transform((text) => Date.parse(text))
export const hashSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
/** Name of a virtual account or satellite. */
export const nameSchema = z.string().min(1).max(100)

const fieldsSchema = z.object({
  name: z
    .string()
    .transform((word) => unquote(word))
    .pipe(nameSchema),
  satelliteId: z.uuid(),
  smartAccount: z.string().min(1).max(253),
  exchange: integerSchema.pipe(z.int().min(1)),
  epoch: integerSchema.pipe(z.int().min(1)),
  after: integerSchema,
  afterAnswer: z.union([z.literal('none'), hashSchema]),
  report: z.enum(['full', 'changes']),
  writtenAt: instantSchema,
  nonce: z.string().regex(/^[A-Za-z0-9_-]{32}$/),
  redactedFields: z
    .string()
    .transform((text) => (text === 'nothing' ? [] : text.split(', ')))
    .pipe(z.array(z.enum(REDACTABLE_FIELDS))),
  enrollment: z.union([z.literal('none'), hashSchema]),
  key: z.string().regex(/^[A-Za-z0-9_-]{80,160}$/),
})

const LICENSE_PATTERN = /^([A-Z0-9][A-Z0-9._-]{0,63})=(\d{1,8})(?:\/(\S+))?$/
const DIGEST_PATTERN = /^sha256:[A-Za-z0-9_-]{43}$/
const ISO_INSTANT_PATTERN = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

/** Parses an ISO 8601 instant; null for any other word. */
function parseInstant(word: string | undefined): Instant | null {
  const time = word !== undefined && ISO_INSTANT_PATTERN.test(word) ? Date.parse(word) : NaN
  return Number.isNaN(time) ? null : time
}

/** Parses words into licenses; null if any word is not valid. */
export function parseLicenses(words: readonly string[]): ReportedLicense[] | null {
  const licenses: ReportedLicense[] = []
  for (const word of words) {
    const [, tag, digits, end] = LICENSE_PATTERN.exec(word) ?? []
    const count = countSchema.safeParse(Number(digits))
    const endsAt = end === undefined ? null : parseInstant(end)
    if (tag === undefined || !count.success || (end !== undefined && endsAt === null)) return null
    licenses.push({ tag, count: count.data, endsAt })
  }
  return licenses
}

const uuidSchema = z.uuid()

/** Parses a row into a product instance; null if it is not valid. */
export function parseInstanceRow(row: string): ReportedInstance | null {
  const [kind, id, pid, serial = '', version, account, since, at, ...rest] = parseWords(row)
  const virtualAccount = unquote(account)
  const time = parseInstant(at)
  const hostname = rest[0] === 'on' ? unquote(rest[1]) : null
  if (rest[0] === 'on' && hostname === null) return null
  const licenses = parseLicenses(hostname === null ? rest : rest.slice(2))
  if (kind !== 'registered' && kind !== 'reserved') return null
  if (since !== 'since' || time === null || virtualAccount === null || licenses === null) return null
  const known = DIGEST_PATTERN.test(serial) ? 'left-out' : serial
  const udi = udiSchema.safeParse({ pid, serial: known, version })
  if (!udi.success || !uuidSchema.safeParse(id).success || !nameSchema.safeParse(virtualAccount).success)
    return null
  if (hostname !== null && hostname.length > 253) return null
  return { kind, id: id ?? '', ...udi.data, serial, virtualAccount, since: time, hostname, licenses }
}

const createMalformedError = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The synchronization request cannot be used: ${why}.`, {
    remedy:
      'Write the request again at the satellite with `sync export`. If the failure persists, run the same version on both sides.',
  })

const parseAllRows = <T>(rows: readonly string[], what: string, read: (row: string) => T | null): T[] =>
  parseRows(rows, what, read, createMalformedError)

function parseTotals(rows: readonly string[]): SyncCounts {
  const [registered, reserved, ...use] = rows.map((row) => row.split(' '))
  const number = (words: string[] | undefined, label: string): number => {
    const count = integerSchema.safeParse(words?.[1])
    if (words?.[0] !== label || words.length !== 2 || !count.success)
      throw createMalformedError('its totals are not valid')
    return count.data
  }
  return {
    registered: number(registered, 'registered'),
    reserved: number(reserved, 'reserved'),
    use: use.map(([tag, count, ...rest]) => {
      const known = entitlementTagSchema.safeParse(tag)
      const total = integerSchema.safeParse(count)
      if (!known.success || !total.success || rest.join(' ') !== 'in use')
        throw createMalformedError('its totals are not valid')
      return { tag: known.data, count: total.data }
    }),
  }
}

/**
 * Parses the lines of a request. Does not check who signed them.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED
 */
export function parseSyncRequest(lines: readonly string[]): SyncRequest {
  if (lines[0] !== SYNC_REQUEST_TITLE || lines[1] !== '')
    throw createMalformedError('its lines are not in the expected order')
  const fields = fieldsSchema.safeParse(parseFields(lines, 2, FIELDS, createMalformedError), ENGLISH)
  if (!fields.success)
    throw createMalformedError(`the field ${String(fields.error.issues[0]?.path[0])} is not valid`)
  const sections = parseSections(lines, FIELDS.length + 3, SECTIONS, createMalformedError)
  const issuingCa = sections['Issuing CA request'].join('')
  if (!/^[A-Za-z0-9+/=]*$/.test(issuingCa))
    throw createMalformedError('the section "Issuing CA request:" was changed')
  const virtualAccounts = parseAllRows(sections['Virtual accounts'], 'virtual accounts', (row) => {
    const [first, word, second, ...rest] = parseWords(row)
    const [name, of] = [unquote(first), unquote(second)]
    return name !== null && of !== null && word === 'of' && rest.length === 0 ? { name, of } : null
  })
  const instances = parseAllRows(sections['Product instances'], 'product instances', parseInstanceRow)
  const ended = parseAllRows(sections.Ended, 'ended instances', (row) => {
    const [id = '', word, ...rest] = row.split(' ')
    const how = END_REASONS.find((reason) => reason === word)
    return how && rest.length === 0 && uuidSchema.safeParse(id).success ? { id, how } : null
  })
  const serverNames = parseAllRows(sections['Server names'], 'server names', (row) =>
    parseHostName(row) === row ? row : null,
  )
  if (serverNames.length > MAX_SERVER_NAMES || new Set(serverNames).size !== serverNames.length)
    throw createMalformedError('it has too many server names, or one of them twice')
  const once = new Set([...instances, ...ended].map(({ id }) => id))
  if (once.size !== instances.length + ended.length)
    throw createMalformedError('it lists a product instance twice')
  return {
    ...fields.data,
    issuingCa,
    serverNames,
    virtualAccounts,
    instances,
    ended,
    totals: parseTotals(sections.Totals),
  }
}
