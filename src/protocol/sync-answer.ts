import canonicalize from 'canonicalize'
import { z } from 'zod'
import { createDisplayTextSchema } from '../core/display-text.ts'
import { ENGLISH } from '../core/english.ts'
import { entitlementTagSchema } from '../core/entitlement.ts'
import { LicensingError } from '../core/errors.ts'
import { parseProfileText, type ProductProfile } from '../core/profile.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import {
  parseRotations,
  quote,
  parseFields,
  parseRows,
  parseSections,
  unquote,
  parseWords,
  wrap,
  formatRotations,
  formatFields,
  formatSection,
} from './text-format.ts'
import {
  hashSchema,
  formatInstanceRow,
  instantSchema,
  nameSchema,
  parseInstanceRow,
  type ReportedInstance,
  integerSchema,
} from './sync-request.ts'

/** Lot of licenses that the manager assigns to the satellite, with the manager's virtual account. */
export interface SyncLot {
  readonly id: string
  readonly tag: string
  readonly quantity: number
  readonly startsAt: Instant
  readonly endsAt: Instant | null
  readonly virtualAccount: string
}

/** Instance of the satellite that ended at the manager. */
export interface EndedInstance {
  readonly id: string
  /** `replaced`: the device registered again elsewhere. `ended`: the instance had ended before a restore. */
  readonly how: 'replaced' | 'ended'
}

/** Answer of a manager to a satellite. */
export interface SyncAnswer {
  readonly name: string
  readonly satelliteId: string
  readonly smartAccount: string
  readonly managerId: string
  readonly epoch: number
  readonly exchange: number
  /** Digest of the request that is answered. */
  readonly request: string
  /**
   * `accepted`: the manager has stored the report. `repair`: the two histories differ, such as after a restore. The
   * satellite then adopts the epoch and number of the answer and sends a full report. `refused`: nothing was changed.
   */
  readonly outcome: 'accepted' | 'repair' | 'refused'
  /** Stable error code; `-` for an accepted request. */
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly answeredAt: Instant
  /** Time from which the satellite warns that synchronization is overdue, and time from which it may grant nothing. */
  readonly warnAt: Instant
  readonly restrictAt: Instant
  /** End of the permission to synchronize automatically. */
  readonly automaticUntil: Instant
  /** Highest software version that the account's orders entitle; null if no order names one. */
  readonly softwareVersion: string | null
  /** Product profile of the manager, which the satellite adopts; null unless the request was accepted. */
  readonly profile: ProductProfile | null
  readonly trustBundle: number
  /** Root certificate of the manager: PEM. */
  readonly root: string
  /** All signed root rotation statements, oldest first. */
  readonly trustBundles: readonly string[]
  /** Issuing CA of the satellite: PEM, one certificate by each valid root; null unless the request was accepted. */
  readonly issuingCa: string | null
  /** Delegation that the satellite includes in each of its answers; null unless the request was accepted. */
  readonly mandate: string | null
  readonly virtualAccounts: readonly { readonly name: string; readonly home: boolean }[]
  readonly lots: readonly SyncLot[]
  readonly ended: readonly EndedInstance[]
  /** Instances of an earlier history that the satellite has lost, restored for review. */
  readonly known: readonly ReportedInstance[]
  /** Texts for administrators about conflicts and how they were resolved. */
  readonly notices: readonly string[]
}

export const SYNC_ANSWER_TITLE = 'SMART LICENSING SYNCHRONIZATION ANSWER, version 1'

const FIELDS = [
  ['Satellite', 'name'],
  ['Satellite id', 'satelliteId'],
  ['Smart account', 'smartAccount'],
  ['Manager', 'managerId'],
  ['Exchange', 'exchange'],
  ['Epoch', 'epoch'],
  ['Request', 'request'],
  ['Outcome', 'outcome'],
  ['Code', 'code'],
  ['Message', 'message'],
  ['Remedy', 'remedy'],
  ['Answered', 'answeredAt'],
  ['Overdue from', 'warnAt'],
  ['Restricted from', 'restrictAt'],
  ['Automatic until', 'automaticUntil'],
  ['Software version', 'softwareVersion'],
  ['Trust bundle', 'trustBundle'],
] as const

/** Value of the field if no order names a software version. */
const NO_VERSION = '-'

const SECTIONS = [
  'Virtual accounts',
  'Licenses',
  'Product profile',
  'Ended',
  'Known before',
  'Notices',
  'Root certificate',
  'Issuing CA certificate',
  'Mandate',
] as const

const splitCertificates = (pem: string): string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
const toBase64Der = (pem: string): string => pem.replace(/-----[^-]+-----|\s/g, '')
const toPem = (base64: string): string =>
  `-----BEGIN CERTIFICATE-----\n${wrap(base64).join('\n')}\n-----END CERTIFICATE-----`

/** Encodes a profile as base64url of its canonical JSON (RFC 8785). */
const encodeProfile = (profile: ProductProfile): string =>
  Buffer.from(canonicalize(profile) ?? '').toString('base64url')

/** Formats the lines of an answer, for signing. */
export function formatSyncAnswer(answer: SyncAnswer): string[] {
  const { name, message, remedy, answeredAt, warnAt, restrictAt, automaticUntil } = answer
  return [
    SYNC_ANSWER_TITLE,
    '',
    ...formatFields(FIELDS, {
      ...answer,
      name: quote(name),
      message: quote(message),
      remedy: quote(remedy),
      answeredAt: toIsoString(answeredAt),
      warnAt: toIsoString(warnAt),
      restrictAt: toIsoString(restrictAt),
      automaticUntil: toIsoString(automaticUntil),
      softwareVersion: answer.softwareVersion === null ? NO_VERSION : quote(answer.softwareVersion),
    }),
    '',
    ...formatSection(
      'Virtual accounts',
      answer.virtualAccounts.map((account) => `${quote(account.name)}${account.home ? ' as "Default"' : ''}`),
    ),
    ...formatSection(
      'Licenses',
      answer.lots.map((lot) =>
        [
          lot.tag,
          lot.quantity,
          quote(lot.virtualAccount),
          'from',
          toIsoString(lot.startsAt),
          ...(lot.endsAt === null ? ['perpetual'] : ['until', toIsoString(lot.endsAt)]),
          'lot',
          lot.id,
        ].join(' '),
      ),
    ),
    ...formatSection('Product profile', answer.profile === null ? [] : wrap(encodeProfile(answer.profile))),
    ...formatSection(
      'Ended',
      answer.ended.map(({ id, how }) => `${id} ${how}`),
    ),
    ...formatSection('Known before', answer.known.map(formatInstanceRow)),
    ...formatSection('Notices', answer.notices.map(quote)),
    ...formatSection('Root certificate', wrap(toBase64Der(answer.root))),
    ...formatSection(
      'Issuing CA certificate',
      answer.issuingCa === null ? [] : wrap(splitCertificates(answer.issuingCa).map(toBase64Der).join('.')),
    ),
    ...formatSection('Mandate', answer.mandate === null ? [] : wrap(answer.mandate)),
    ...formatRotations(answer.trustBundles),
  ]
}

const createQuotedTextSchema = (max: number) =>
  z
    .string()
    .transform((word) => unquote(word))
    .pipe(z.string().max(max))

const fieldsSchema = z.object({
  name: createQuotedTextSchema(100),
  satelliteId: z.uuid(),
  smartAccount: z.string().min(1).max(253),
  managerId: z.uuid(),
  exchange: integerSchema,
  epoch: integerSchema,
  request: hashSchema,
  outcome: z.enum(['accepted', 'repair', 'refused']),
  code: z.string().regex(/^(?:-|[A-Z][A-Z0-9_]{2,63})$/),
  message: createQuotedTextSchema(1000).pipe(createDisplayTextSchema(1000)),
  remedy: createQuotedTextSchema(1000).pipe(createDisplayTextSchema(1000)),
  answeredAt: instantSchema,
  warnAt: instantSchema,
  restrictAt: instantSchema,
  automaticUntil: instantSchema,
  softwareVersion: z.union([
    z.literal(NO_VERSION).transform(() => null),
    createQuotedTextSchema(100).pipe(z.string().min(1)),
  ]),
  trustBundle: integerSchema,
})

const createMalformedError = (why: string) =>
  new LicensingError('SIGNED_FILE_MALFORMED', `The synchronization answer cannot be used: ${why}.`, {
    remedy:
      'Write the answer again at the manager with `sync respond`. If the failure persists, run the same version on both sides.',
  })

const parseAllRows = <T>(rows: readonly string[], what: string, read: (row: string) => T | null): T[] =>
  parseRows(rows, what, read, createMalformedError)

const lotSchema = z.object({
  id: z.uuid(),
  tag: entitlementTagSchema,
  quantity: z.int().min(1),
  startsAt: instantSchema,
  endsAt: instantSchema.nullable(),
  virtualAccount: nameSchema,
})

function parseLot(row: string): SyncLot | null {
  const [tag, quantity, account, from, startsAt, kind, ...rest] = parseWords(row)
  const endsAt = kind === 'until' ? rest.shift() : null
  const [word, id, ...more] = rest
  if (from !== 'from' || word !== 'lot' || more.length > 0 || (kind !== 'until' && kind !== 'perpetual'))
    return null
  const lot = lotSchema.safeParse({
    tag,
    quantity: Number(quantity),
    virtualAccount: unquote(account),
    startsAt,
    endsAt,
    id,
  })
  return lot.success ? lot.data : null
}

/**
 * Parses the lines of an answer. Does not check who signed them.
 *
 * @throws LicensingError SIGNED_FILE_MALFORMED
 */
export function parseSyncAnswer(lines: readonly string[]): SyncAnswer {
  if (lines[0] !== SYNC_ANSWER_TITLE || lines[1] !== '')
    throw createMalformedError('its lines are not in the expected order')
  const fields = fieldsSchema.safeParse(parseFields(lines, 2, FIELDS, createMalformedError), ENGLISH)
  if (!fields.success)
    throw createMalformedError(`the field ${String(fields.error.issues[0]?.path[0])} is not valid`)
  const bundlesAt = lines.lastIndexOf('Trust bundles:')
  const sections = parseSections(
    bundlesAt === -1 ? lines : lines.slice(0, bundlesAt),
    FIELDS.length + 3,
    SECTIONS,
    createMalformedError,
  )
  const pem = (head: 'Root certificate' | 'Issuing CA certificate'): string | null => {
    const base64 = sections[head].join('')
    // During a root rotation there is one certificate by each root, separated by dots.
    if (!/^[A-Za-z0-9+/=.]*$/.test(base64)) throw createMalformedError(`the section "${head}:" was changed`)
    return base64 === '' ? null : base64.split('.').map(toPem).join('\n')
  }
  const compact = (head: 'Mandate' | 'Product profile'): string | null => {
    const text = sections[head].join('')
    if (!/^[A-Za-z0-9_.-]*$/.test(text)) throw createMalformedError(`the section "${head}:" was changed`)
    return text === '' ? null : text
  }
  const root = pem('Root certificate')
  if (root === null) throw createMalformedError('it has no root certificate')
  return {
    ...fields.data,
    virtualAccounts: parseAllRows(sections['Virtual accounts'], 'virtual accounts', (row) => {
      const [word, ...rest] = parseWords(row)
      const name = unquote(word)
      const home = rest.join(' ') === 'as "Default"'
      return name !== null && (home || rest.length === 0) ? { name, home } : null
    }),
    lots: parseAllRows(sections.Licenses, 'licenses', parseLot),
    ended: parseAllRows(sections.Ended, 'ended instances', (row) => {
      const [id = '', how, ...rest] = row.split(' ')
      return rest.length === 0 && z.uuid().safeParse(id).success && (how === 'replaced' || how === 'ended')
        ? { id, how }
        : null
    }),
    known: parseAllRows(sections['Known before'], 'known instances', parseInstanceRow),
    notices: parseAllRows(sections.Notices, 'notices', (row) => unquote(row)),
    root,
    trustBundles: parseRotations(lines),
    issuingCa: pem('Issuing CA certificate'),
    mandate: compact('Mandate'),
    profile: parseProfileSection(compact('Product profile')),
  }
}

/** Decodes the section with the profile. Only the canonical encoding is accepted. */
function parseProfileSection(text: string | null): ProductProfile | null {
  if (text === null) return null
  const json = Buffer.from(text, 'base64url').toString('utf8')
  const profile = readProfile(json)
  if (profile === null || encodeProfile(profile) !== text)
    throw createMalformedError('the section "Product profile:" was changed')
  return profile
}

function readProfile(json: string): ProductProfile | null {
  try {
    return parseProfileText(json)
  } catch {
    return null
  }
}
