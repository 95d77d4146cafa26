import { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { countSchema, entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { parseHostName } from '../core/host-name.ts'
import { type Instant, iso } from '../core/time.ts'
import { udiSchema } from '../core/udi.ts'
import {
  quoted,
  readFields,
  readRows,
  readSections,
  unquoted,
  wordsOf,
  wrap,
  writeFields,
  writeSection,
} from './text-format.ts'

/** What a satellite may leave out of its reports, so that it does not leave the building. */
export const LEAVABLE = ['hostnames', 'serial-numbers'] as const
export type Leavable = (typeof LEAVABLE)[number]

/** Licences that an instance uses, or that are reserved for it until an instant. */
export interface ReportedLicense {
  readonly tag: string
  readonly count: number
  /** When what is reserved ends; null for what is used, and for perpetual reservations. */
  readonly endsAt: Instant | null
}

/** A product instance of a satellite, as it goes up. */
export interface ReportedInstance {
  readonly kind: 'registered' | 'reserved'
  readonly id: string
  readonly pid: string
  /** The serial number, or `sha256:` and the digest of the UDI where serial numbers are left out. */
  readonly serial: string
  readonly version: string
  /** The satellite's own virtual account. */
  readonly virtualAccount: string
  readonly since: Instant
  /** Null where it is not known, or left out. */
  readonly hostname: string | null
  readonly licenses: readonly ReportedLicense[]
}

/** An instance that is no more. */
export const endings = ['removed', 'replaced', 'deregistered', 'expired', 'returned', 'lost'] as const
export interface ReportedEnd {
  readonly id: string
  readonly how: (typeof endings)[number]
}

/** What there is altogether, for the other side to compare: a report that was lost shows here. */
export interface Totals {
  readonly registered: number
  readonly reserved: number
  readonly use: readonly { readonly tag: string; readonly count: number }[]
}

/** What a satellite says to its manager: its instances and what they use, whole or what has changed. */
export interface SyncRequest {
  readonly name: string
  readonly satelliteId: string
  readonly smartAccount: string
  readonly epoch: number
  readonly exchange: number
  /** The exchange whose answer it knows, and that answer's hash: what has changed since is in here. 0 and `none` before any. */
  readonly after: number
  readonly afterAnswer: string
  readonly report: 'full' | 'changes'
  readonly writtenAt: Instant
  readonly nonce: string
  /** The satellite's public key, SPKI in base64url: bound to its name by the first answer. */
  readonly key: string
  /** A proof of the one-time code of `satellite add`; `none` without. */
  readonly enrolment: string
  readonly leftOut: readonly Leavable[]
  /** The certificate request for the satellite's issuing CA: PKCS #10, base64. */
  readonly issuingCa: string
  /** The host names and addresses that its servers were given, which its CA is to issue TLS certificates for. */
  readonly serverNames: readonly string[]
  readonly virtualAccounts: readonly {
    readonly name: string
    /** The manager's virtual account whose licences it divides. */
    readonly of: string
  }[]
  readonly instances: readonly ReportedInstance[]
  readonly ended: readonly ReportedEnd[]
  readonly totals: Totals
}

export const SYNC_REQUEST_TITLE = 'SMART LICENSING SYNCHRONISATION REQUEST, version 1'

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
  ['Left out', 'leftOut'],
  ['Enrolment', 'enrolment'],
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

/** Names of servers that a request has at most. */
export const MAX_SERVER_NAMES = 100

/** Licences as words: `HOST=5`, `HOST=5/2027-01-01T00:00:00.000Z`. */
export const licenseWords = (licenses: readonly ReportedLicense[]): string[] =>
  licenses.map(({ tag, count, endsAt }) => `${tag}=${count}${endsAt === null ? '' : `/${iso(endsAt)}`}`)

/** A product instance as a row. */
export const instanceRow = (one: ReportedInstance): string =>
  [
    one.kind,
    one.id,
    one.pid,
    one.serial,
    one.version,
    quoted(one.virtualAccount),
    'since',
    iso(one.since),
    ...(one.hostname === null ? [] : ['on', quoted(one.hostname)]),
    ...licenseWords(one.licenses),
  ].join(' ')

/** The lines of a request, for signing. */
export function writeSyncRequest(request: SyncRequest): string[] {
  const { name, leftOut, writtenAt, totals } = request
  return [
    SYNC_REQUEST_TITLE,
    '',
    ...writeFields(FIELDS, {
      ...request,
      name: quoted(name),
      writtenAt: iso(writtenAt),
      leftOut: leftOut.length === 0 ? 'nothing' : leftOut.join(', '),
    }),
    '',
    ...writeSection(
      'Virtual accounts',
      request.virtualAccounts.map((one) => `${quoted(one.name)} of ${quoted(one.of)}`),
    ),
    ...writeSection('Product instances', request.instances.map(instanceRow)),
    ...writeSection(
      'Ended',
      request.ended.map(({ id, how }) => `${id} ${how}`),
    ),
    ...writeSection('Totals', [
      `registered ${totals.registered}`,
      `reserved ${totals.reserved}`,
      ...totals.use.map(({ tag, count }) => `${tag} ${count} in use`),
    ]),
    ...writeSection('Server names', request.serverNames),
    ...writeSection('Issuing CA request', wrap(request.issuingCa)),
  ]
}

export const wholeNumber = z
  .string()
  .regex(/^(?:0|[1-9]\d{0,11})$/)
  .transform(Number)
export const instantText = z.iso.datetime({ precision: 3 }).transform((text) => Date.parse(text))
export const hashText = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
/** A virtual account's or satellite's name. */
export const nameText = z.string().min(1).max(100)

const fieldsSchema = z.object({
  name: z
    .string()
    .transform((word) => unquoted(word))
    .pipe(nameText),
  satelliteId: z.uuid(),
  smartAccount: z.string().min(1).max(253),
  exchange: wholeNumber.pipe(z.int().min(1)),
  epoch: wholeNumber.pipe(z.int().min(1)),
  after: wholeNumber,
  afterAnswer: z.union([z.literal('none'), hashText]),
  report: z.enum(['full', 'changes']),
  writtenAt: instantText,
  nonce: z.string().regex(/^[A-Za-z0-9_-]{32}$/),
  leftOut: z
    .string()
    .transform((text) => (text === 'nothing' ? [] : text.split(', ')))
    .pipe(z.array(z.enum(LEAVABLE))),
  enrolment: z.union([z.literal('none'), hashText]),
  key: z.string().regex(/^[A-Za-z0-9_-]{80,160}$/),
})

const LICENSE = /^([A-Z0-9][A-Z0-9._-]{0,63})=(\d{1,8})(?:\/(\S+))?$/
const DIGEST = /^sha256:[A-Za-z0-9_-]{43}$/
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

/** The instant a word says; null for none. */
function instantOf(word: string | undefined): Instant | null {
  const time = word !== undefined && ISO.test(word) ? Date.parse(word) : NaN
  return Number.isNaN(time) ? null : time
}

/** The licences that words say; null when one says none. */
export function licensesOf(words: readonly string[]): ReportedLicense[] | null {
  const licenses: ReportedLicense[] = []
  for (const word of words) {
    const [, tag, digits, end] = LICENSE.exec(word) ?? []
    const count = countSchema.safeParse(Number(digits))
    const endsAt = end === undefined ? null : instantOf(end)
    if (tag === undefined || !count.success || (end !== undefined && endsAt === null)) return null
    licenses.push({ tag, count: count.data, endsAt })
  }
  return licenses
}

const uuid = z.uuid()

/** A row as a product instance; null when it is none. */
export function readInstanceRow(row: string): ReportedInstance | null {
  const [kind, id, pid, serial = '', version, place, since, at, ...rest] = wordsOf(row)
  const virtualAccount = unquoted(place)
  const time = instantOf(at)
  const hostname = rest[0] === 'on' ? unquoted(rest[1]) : null
  if (rest[0] === 'on' && hostname === null) return null
  const licenses = licensesOf(hostname === null ? rest : rest.slice(2))
  if (kind !== 'registered' && kind !== 'reserved') return null
  if (since !== 'since' || time === null || virtualAccount === null || licenses === null) return null
  const known = DIGEST.test(serial) ? 'left-out' : serial
  const udi = udiSchema.safeParse({ pid, serial: known, version })
  if (!udi.success || !uuid.safeParse(id).success || !nameText.safeParse(virtualAccount).success) return null
  if (hostname !== null && hostname.length > 253) return null
  return { kind, id: id ?? '', ...udi.data, serial, virtualAccount, since: time, hostname, licenses }
}

const malformed = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The synchronisation request cannot be used: ${why}.`, {
    remedy: 'Write it anew at the satellite with `sync export`; both sides may have to be of one version.',
  })

const readAll = <T>(rows: readonly string[], what: string, read: (row: string) => T | null): T[] =>
  readRows(rows, what, read, malformed)

function readTotals(rows: readonly string[]): Totals {
  const [registered, reserved, ...use] = rows.map((row) => row.split(' '))
  const number = (words: string[] | undefined, label: string): number => {
    const count = wholeNumber.safeParse(words?.[1])
    if (words?.[0] !== label || words.length !== 2 || !count.success)
      throw malformed('its totals are not of their form')
    return count.data
  }
  return {
    registered: number(registered, 'registered'),
    reserved: number(reserved, 'reserved'),
    use: use.map(([tag, count, ...rest]) => {
      const known = entitlementTagSchema.safeParse(tag)
      const total = wholeNumber.safeParse(count)
      if (!known.success || !total.success || rest.join(' ') !== 'in use')
        throw malformed('its totals are not of their form')
      return { tag: known.data, count: total.data }
    }),
  }
}

/**
 * Reads the lines of a request; whose they are is not looked at.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED
 */
export function readSyncRequest(lines: readonly string[]): SyncRequest {
  if (lines[0] !== SYNC_REQUEST_TITLE || lines[1] !== '') throw malformed('its lines are not in their order')
  const fields = fieldsSchema.safeParse(readFields(lines, 2, FIELDS, malformed), ENGLISH)
  if (!fields.success)
    throw malformed(`its line ${String(fields.error.issues[0]?.path[0])} is not of its form`)
  const sections = readSections(lines, FIELDS.length + 3, SECTIONS, malformed)
  const issuingCa = sections['Issuing CA request'].join('')
  if (!/^[A-Za-z0-9+/=]*$/.test(issuingCa)) throw malformed('the issuing CA request is not as it was written')
  const virtualAccounts = readAll(sections['Virtual accounts'], 'virtual accounts', (row) => {
    const [first, word, second, ...rest] = wordsOf(row)
    const [name, of] = [unquoted(first), unquoted(second)]
    return name !== null && of !== null && word === 'of' && rest.length === 0 ? { name, of } : null
  })
  const instances = readAll(sections['Product instances'], 'product instances', readInstanceRow)
  const ended = readAll(sections.Ended, 'what ended', (row) => {
    const [id = '', word, ...rest] = row.split(' ')
    const how = endings.find((one) => one === word)
    return how && rest.length === 0 && uuid.safeParse(id).success ? { id, how } : null
  })
  const serverNames = readAll(sections['Server names'], 'server names', (row) =>
    parseHostName(row) === row ? row : null,
  )
  if (serverNames.length > MAX_SERVER_NAMES || new Set(serverNames).size !== serverNames.length)
    throw malformed('its server names are too many, or one is in it twice')
  const once = new Set([...instances, ...ended].map(({ id }) => id))
  if (once.size !== instances.length + ended.length) throw malformed('a product instance is in it twice')
  return {
    ...fields.data,
    issuingCa,
    serverNames,
    virtualAccounts,
    instances,
    ended,
    totals: readTotals(sections.Totals),
  }
}
