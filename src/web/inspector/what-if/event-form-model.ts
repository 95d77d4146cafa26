import * as z from 'zod/mini'
import type { Context } from '../../../../machines/agent-context.ts'
import { DAY, MINUTE } from '../../../../machines/time.ts'
import {
  EVENT_SCHEMAS,
  type ExternalEvent,
  type ExternalEventType,
  SECRET_FIELDS,
} from '../../../inspection/event-schemas.ts'

// The page forbids code that is made at run time, which zod would use to be faster.
z.config({ jitless: true })

export type FieldKind = 'text' | 'number' | 'flag' | 'choice' | 'instant' | 'json'
/** Field of a form. Its path in the payload is written with dots. */
export interface Field {
  readonly path: string
  readonly label: string
  readonly kind: FieldKind
  /** True when the field may be left empty. */
  readonly optional: boolean
  readonly options: readonly string[]
}
/** Values of a form, by path: texts as typed, and flags. */
export type FormValues = Readonly<Record<string, string | boolean>>

const LABELS: Readonly<Record<string, string>> = {
  force: 'Replace another product instance',
  again: 'Register again',
  evaluate: 'A new evaluation begins',
  version: 'Version',
  transport: 'Transport and URL',
  tag: 'License tag',
  count: 'Count in use',
  consequence: 'What follows',
  jitter: 'Random part of the delay, 0 to 1',
  retryAfter: 'Delay that the server asks for, in ms',
  counts: 'Counts in use, as JSON',
  entitlements: 'Licenses of the answer, as JSON',
  licenses: 'Reserved licenses, as JSON',
  compliant: 'Enough licenses',
  deadlineAt: 'Authorized until',
  nextContactAt: 'Next contact asked for',
  expiresAt: 'ID certificate expires',
}

const toLabel = (path: string): string => {
  const last = path.slice(path.lastIndexOf('.') + 1)
  const words = last.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return LABELS[last] ?? words.replace(/^./, (first) => first.toUpperCase())
}

/** Lists the fields of an event's form, from its schema. Codes and keys are left out. */
export const listFields = (type: ExternalEventType): Field[] => walk(EVENT_SCHEMAS[type], '', false)

function walk(schema: z.core.$ZodType, path: string, optional: boolean): Field[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  const field = (kind: FieldKind, options: readonly string[] = []): Field[] => [
    { path, label: toLabel(path), kind, optional, options },
  ]
  switch (def.type) {
    case 'object':
      return Object.entries(def.shape)
        .filter(([key]) => !SECRET_FIELDS.has(key))
        .flatMap(([key, inner]) => walk(inner, path === '' ? key : `${path}.${key}`, optional))
    case 'nullable':
    case 'optional':
      return walk(def.innerType, path, true)
    case 'boolean':
      return field('flag')
    case 'number':
      return field(/(^|\.|[a-z])at$/i.test(path) ? 'instant' : 'number')
    case 'enum':
      return field('choice', Object.values(def.entries).map(String))
    case 'string':
      return field('text')
    default:
      return field('json')
  }
}

const readPath = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (inner, key) =>
        typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined,
      value,
    )

const toInput = (instant: number): string => new Date(instant).toISOString().slice(0, 16)

/** Returns the first values of a form: what the device has, or what a license server would answer. */
export function createValues(type: ExternalEventType, context: Context, at: number): FormValues {
  const defaults = createPayload(type, context, at)
  return Object.fromEntries(
    listFields(type).map(({ path, kind }): [string, string | boolean] => {
      const value = readPath(defaults, path)
      if (kind === 'flag') return [path, value === true]
      if (kind === 'instant') return [path, typeof value === 'number' ? toInput(value) : '']
      if (kind === 'json') return [path, JSON.stringify(value)]
      return [path, typeof value === 'string' || typeof value === 'number' ? String(value) : '']
    }),
  )
}

const UNREACHABLE = {
  code: 'TIMED_OUT',
  message: 'The license server did not answer.',
  remedy: 'Check the connection to the license server.',
}
const REFUSED = {
  code: 'REFUSED',
  message: 'The license server refused the request.',
  remedy: 'Ask the administrator of the license server.',
}

function createPayload(type: ExternalEventType, context: Context, at: number): object {
  const { registration, usage, authorization, reservation } = context
  const accounts = {
    smartAccount: registration?.smartAccount ?? 'example.com',
    virtualAccount: registration?.virtualAccount ?? 'Default',
  }
  if (type.endsWith('.unreachable')) return { failure: UNREACHABLE, jitter: 0.5, retryAfter: null }
  if (type.endsWith('.refused')) return { failure: REFUSED, consequence: 'repeat' }
  const expiresAt = at + 365 * DAY - 5 * MINUTE
  switch (type) {
    case 'usage.changed': {
      const [first] = Object.entries(usage.counts)
      return { tag: first?.[0] ?? '', count: first?.[1] ?? 0 }
    }
    case 'product.upgrade':
      return { version: '2.0', evaluate: true }
    case 'transport.changed':
      return { transport: 'direct https://license.example.com' }
    case 'register.accepted':
      return {
        registration: {
          instanceId: registration?.instanceId ?? 'what-if',
          ...accounts,
          exportControlled: false,
          registeredAt: at,
          expiresAt,
        },
      }
    case 'authorize.accepted':
      return {
        ...accounts,
        compliant: true,
        counts: usage.counts,
        entitlements: authorization.entitlements,
        deadlineAt: at + 90 * DAY - 5 * MINUTE,
        nextContactAt: null,
      }
    case 'renew.accepted':
      return { expiresAt }
    case 'reservation.install':
    case 'reservation.update':
      return { grant: reservation.current?.grant ?? createGrant(usage.counts, accounts, at) }
    case 'reservation.discard':
      return { returned: { request: reservation.requests, reservationId: 'what-if', at } }
    default:
      return {}
  }
}

/** Creates an authorization that covers the present usage. */
const createGrant = (
  counts: Readonly<Record<string, number>>,
  accounts: { readonly smartAccount: string; readonly virtualAccount: string },
  at: number,
) => ({
  reservationId: 'what-if',
  authorityId: 'what-if',
  ...accounts,
  epoch: 1,
  sequence: 1,
  issuedAt: at,
  installedAt: at,
  reservedAt: at,
  knownAt: at,
  licenses: Object.entries(counts).map(([tag, count]) => ({
    tag,
    name: tag,
    count,
    endsAt: null,
    lastWarningSeconds: null,
  })),
})

/** Result of reading a form: the event, or an error for each field that is wrong. */
export type ParsedEvent =
  | { readonly event: ExternalEvent; readonly errors: null }
  | { readonly event: null; readonly errors: Readonly<Record<string, string>> }

/** Reads a form. Codes and keys are filled with empty texts. */
export function parseEvent(type: ExternalEventType, values: FormValues, at: number): ParsedEvent {
  const payload: Record<string, unknown> = {}
  const errors: Record<string, string> = {}
  for (const field of listFields(type)) {
    const value = readField(field, values[field.path])
    if (value === INVALID) errors[field.path] = describeExpected(field)
    else if (value !== undefined) assign(payload, field.path, value)
  }
  fillSecrets(EVENT_SCHEMAS[type], payload)
  if (Object.keys(errors).length > 0) return { event: null, errors }
  const parsed = EVENT_SCHEMAS[type].safeParse(payload)
  if (parsed.success) return { event: { type, at, ...parsed.data } as ExternalEvent, errors: null }
  const fields = listFields(type)
  for (const { path } of parsed.error.issues) {
    const joined = path.map(String).join('.')
    const field = fields.find((each) => joined === each.path || joined.startsWith(`${each.path}.`))
    if (field) errors[field.path] = describeExpected(field)
  }
  return { event: null, errors }
}

const INVALID = Symbol('invalid')

function readField({ kind, optional }: Field, value: string | boolean | undefined): unknown {
  if (kind === 'flag') return value === true
  const text = typeof value === 'string' ? value.trim() : ''
  if (text === '') return optional ? null : kind === 'text' ? '' : INVALID
  if (kind === 'number') return Number.isFinite(Number(text)) ? Number(text) : INVALID
  if (kind === 'instant') {
    const instant = Date.parse(`${text}Z`)
    return Number.isNaN(instant) ? INVALID : instant
  }
  if (kind !== 'json') return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    return INVALID
  }
}

const EXPECTED: Readonly<Record<FieldKind, string>> = {
  text: 'Enter a text.',
  number: 'Enter a number that this event may have.',
  flag: 'Choose yes or no.',
  choice: 'Choose one of the values.',
  instant: 'Enter a date and a time.',
  json: 'Enter JSON in the form of the first value.',
}
const describeExpected = ({ kind }: Field): string => EXPECTED[kind]

function assign(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? path
  let inner = target
  for (const key of keys) inner = (inner[key] ??= {}) as Record<string, unknown>
  inner[last] = value
}

/** Adds empty texts for the codes and keys of a payload. */
function fillSecrets(schema: z.core.$ZodType, payload: Record<string, unknown>): void {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type !== 'object') return
  for (const [key, inner] of Object.entries(def.shape)) {
    if (SECRET_FIELDS.has(key)) payload[key] = ''
    else if ((inner as z.core.$ZodTypes)._zod.def.type === 'object')
      fillSecrets(inner, (payload[key] ??= {}) as Record<string, unknown>)
  }
}

/** Checks whether a payload holds codes or keys, which the form does not ask for. */
export function hasSecrets(type: ExternalEventType): boolean {
  const contains = (schema: z.core.$ZodType): boolean => {
    const { def } = (schema as z.core.$ZodTypes)._zod
    return (
      def.type === 'object' &&
      Object.entries(def.shape).some(([key, inner]) => SECRET_FIELDS.has(key) || contains(inner))
    )
  }
  return contains(EVENT_SCHEMAS[type])
}
