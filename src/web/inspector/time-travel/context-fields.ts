import { DAY, SECOND } from '../../../../machines/time.ts'
import type { Transition } from '../source.ts'
import { formatCount, formatDay, formatInstant, formatTime } from '../../../inspection/utc-time.ts'

type ContextChange = Transition['changes'][number]

/** Changed field of the context in the words of people. */
export interface FieldChange {
  /** Path of the field in the context, for engineers. */
  readonly path: string
  readonly name: string
  readonly before: string
  readonly after: string
}

type Kind = 'instant' | 'seconds' | 'text' | 'count' | 'flag'

const FIELDS: Readonly<Record<string, readonly [name: string, kind: Kind]>> = {
  'evaluation.remainingSeconds': ['Evaluation left', 'seconds'],
  'evaluation.running': ['Evaluation runs', 'flag'],
  'registration.instanceId': ['Product instance', 'text'],
  'registration.smartAccount': ['Smart Account', 'text'],
  'registration.virtualAccount': ['Virtual Account', 'text'],
  'registration.exportControlled': ['Export control', 'flag'],
  'registration.registeredAt': ['Registered', 'instant'],
  'registration.expiresAt': ['Registration expires', 'instant'],
  'registering.force': ['Replaces another', 'flag'],
  'registering.failures': ['Failed attempts', 'count'],
  'registering.nextAttemptAt': ['Next attempt', 'instant'],
  'registrationFailure.code': ['Registration failure', 'text'],
  'registrationFailure.message': ['Its message', 'text'],
  'registrationFailure.remedy': ['Its remedy', 'text'],
  'registrationFailure.at': ['It failed', 'instant'],
  'renewal.last.at': ['Last renewal', 'instant'],
  'renewal.last.outcome': ['Its outcome', 'text'],
  'renewal.last.reason.code': ['Its failure', 'text'],
  'renewal.nextAt': ['Next renewal', 'instant'],
  'renewal.failures': ['Failed renewals', 'count'],
  'authorization.since': ['State since', 'instant'],
  'authorization.last.at': ['Last attempt', 'instant'],
  'authorization.last.outcome': ['Its outcome', 'text'],
  'authorization.last.reason.code': ['Its failure', 'text'],
  'authorization.nextAttemptAt': ['Next contact', 'instant'],
  'authorization.deadlineAt': ['Deadline', 'instant'],
  'authorization.failures': ['Attempts without answer', 'count'],
  'usage.reportAt': ['Report due', 'instant'],
  'lastFailure.code': ['Connection failure', 'text'],
  'lastFailure.at': ['It failed', 'instant'],
  'reservation.requests': ['Reservation requests', 'count'],
  'reservation.current.requestedAt': ['Reservation requested', 'instant'],
  'reservation.current.grant.sequence': ['Authorization file', 'count'],
  'reservation.current.grant.installedAt': ['File installed', 'instant'],
  'reservation.current.grant.reservedAt': ['Reserved since', 'instant'],
}

/** Fields that repeat what others say, or that no person reads. */
const HIDDEN =
  /(\.reason\.(message|remedy)|^lastFailure\.(message|remedy)|\.authority(Id|Key)|\.epoch|\.knownAt|\.returned)$/

/** Text of a value that is absent. */
const NONE = '—'

/**
 * Lists the changed fields with names for people, with each license on its own row.
 *
 * @param at instant of the change. Dates within eleven months of it are written without the year.
 */
export const nameChanges = (changes: readonly ContextChange[], at: number): FieldChange[] =>
  changes
    .flatMap(splitChange)
    .filter(({ path }) => !HIDDEN.test(path))
    .map((change) => nameChange(change, at))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Splits the change of an object or of a list of licenses into the changes of its fields. */
function splitChange(change: ContextChange): ContextChange[] {
  const { path, before, after } = change
  if (Array.isArray(before) || Array.isArray(after)) return splitLicenses(change)
  if (!isRecord(before) && !isRecord(after)) return [change]
  const [old, next] = [isRecord(before) ? before : {}, isRecord(after) ? after : {}]
  return [...new Set([...Object.keys(old), ...Object.keys(next)])]
    .map((key) => ({
      path: COUNTS.has(path) ? `${path}[${key}]` : `${path}.${key}`,
      before: old[key] ?? null,
      after: next[key] ?? null,
    }))
    .filter((inner) => JSON.stringify(inner.before) !== JSON.stringify(inner.after))
    .flatMap(splitChange)
}

/** Records that are keyed by tag. */
const COUNTS: ReadonlySet<string> = new Set(['usage.counts', 'usage.reported'])

const LICENSE_FIELDS = ['count', 'status', 'endsAt'] as const

function splitLicenses({ path, before, after }: ContextChange): ContextChange[] {
  const [old, next] = [toLicenses(before), toLicenses(after)]
  return [...new Set([...old.keys(), ...next.keys()])].flatMap((tag) =>
    LICENSE_FIELDS.map((field) => ({
      path: `${path}[${tag}].${field}`,
      before: old.get(tag)?.[field] ?? null,
      after: next.get(tag)?.[field] ?? null,
    })).filter((inner) => inner.before !== inner.after),
  )
}

const toLicenses = (list: unknown): Map<string, Record<string, unknown>> =>
  new Map(
    (Array.isArray(list) ? (list as readonly unknown[]) : [])
      .filter(isRecord)
      .map((license) => [String(license.tag), license]),
  )

function nameChange({ path, before, after }: ContextChange, at: number): FieldChange {
  const [name, kind] = FIELDS[path] ?? nameLicenseField(path)
  return { path, name, before: formatValue(before, kind, at), after: formatValue(after, kind, at) }
}

/** Names a field of a license, such as `usage.reported[HOST]`. */
function nameLicenseField(path: string): readonly [string, Kind] {
  const [, list = path, tag = '', field = ''] = /^([^[]+)\[(.*)\](?:\.(\w+))?$/s.exec(path) ?? []
  const isReserved = list.startsWith('reservation')
  if (list === 'usage.counts') return [`${tag} in use`, 'count']
  if (list === 'usage.reported') return [`${tag} reported`, 'count']
  if (field === 'count') return [isReserved ? `${tag} reserved` : `${tag} answered for`, 'count']
  if (field === 'status') return [`${tag} status`, 'text']
  if (field === 'endsAt') return [`${tag} ends`, 'instant']
  return [path, 'text']
}

/** Distance within which a date needs no year. */
const NEARBY = 330 * DAY

function formatValue(value: unknown, kind: Kind, at: number): string {
  if (value === null || value === undefined || value === '') return NONE
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value)
  switch (kind) {
    case 'instant':
      return Math.abs(value - at) < NEARBY
        ? `${formatDay(value)}, ${formatTime(value)}`
        : formatInstant(value)
    case 'seconds':
      return `${((value * SECOND) / DAY).toFixed(1)} days`
    default:
      return formatCount(value)
  }
}

/** Formats the payload of an event as lines, with instants as dates. */
export function formatPayload(payload: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(payload)
    .filter(([name]) => name !== 'type' && name !== 'at')
    .map(([name, value]) => `${name}: ${formatPayloadValue(name, value)}`)
}

function formatPayloadValue(name: string, value: unknown): string {
  if (typeof value === 'number' && name.endsWith('At')) return formatInstant(value)
  if (typeof value === 'string') return value
  return JSON.stringify(value)
}
