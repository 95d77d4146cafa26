import type { Transition } from '../source.ts'

/** Kind and outcome of a request, if an event is the outcome of one. */
export interface Outcome {
  readonly kind: 'register' | 'authorize' | 'renew' | 'acknowledge' | 'deregister'
  readonly outcome: 'accepted' | 'refused' | 'unreachable'
}

const OUTCOME = /^(register|authorize|renew|acknowledge|deregister)\.(accepted|refused|unreachable)$/

/** Returns the kind and outcome of an event such as `authorize.accepted`. Null for other events. */
export function parseOutcome(event: string): Outcome | null {
  const [, kind, outcome] = OUTCOME.exec(event) ?? []
  return kind === undefined || outcome === undefined ? null : ({ kind, outcome } as Outcome)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads a text of a row's payload. */
export const readText = ({ payload }: Transition, name: string): string =>
  typeof payload[name] === 'string' || typeof payload[name] === 'number' ? String(payload[name]) : ''

/** Reads the message of a failed request, without its full stop. */
export function readFailure({ payload }: Transition): { code: string; message: string } | null {
  const { failure } = payload
  if (!isRecord(failure)) return null
  const { code, message } = failure
  return typeof code === 'string' && typeof message === 'string'
    ? { code, message: message.replace(/\.$/, '') }
    : null
}

export const readChange = ({ changes }: Transition, path: string): unknown =>
  changes.find((change) => change.path === path)?.after

export const requests = ({ commands }: Transition, kind: string): boolean =>
  commands.includes(`request ${kind}`)

const capitalize = (text: string): string => text.replace(/^./, (first) => first.toUpperCase())

const REQUEST_DUE: Readonly<Record<Outcome['kind'], string>> = {
  register: 'The registration was due',
  authorize: 'The next contact was due',
  renew: 'The renewal of the registration was due',
  acknowledge: 'The new certificate was to be acknowledged',
  deregister: 'The deregistration was sent',
}

const RETRIED: Readonly<Record<Outcome['kind'], string>> = {
  register: 'The registration was tried again',
  authorize: 'The authorization was tried again',
  renew: 'The renewal of the registration was tried again',
  acknowledge: 'The acknowledgement was tried again',
  deregister: 'The deregistration was tried again',
}

/** Returns the kind of the request that a row sent. Null without one. */
export const findRequest = (row: Transition): Outcome['kind'] | null =>
  (Object.keys(REQUEST_DUE) as Outcome['kind'][]).find((kind) => requests(row, kind)) ?? null

/** Checks whether a request repeats one that had no answer. */
export const isRetry = ({ before }: Transition, kind: Outcome['kind']): boolean =>
  (kind === 'authorize' ? before.license : before.registration).endsWith('retrying')

const ACCEPTED: Readonly<Record<Outcome['kind'], string>> = {
  register: 'The license server accepted the token',
  authorize: 'The license server answered',
  renew: 'The license server renewed the registration',
  acknowledge: 'The license server took note of the new certificate',
  deregister: 'The license server removed the product instance',
}

const EVENTS: Readonly<Record<string, string>> = {
  'registration.start': 'A token was entered',
  'registration.end': 'The deregistration was asked for',
  'authorization.renew': 'A renewal of the authorization was asked for',
  'registration.renew': 'A renewal of the registration was asked for',
  'product.upgrade': 'The product was upgraded',
  'reservation.request': 'A reservation request code was created',
  'reservation.install': 'The authorization file was installed',
  'reservation.update': 'A newer authorization file was installed',
  'reservation.return-code': 'The return of the reservation began',
  'reservation.return': 'The reservation was returned',
}

/** Says in a short sentence what a row of the history is. */
export function describeRow(row: Transition): string {
  const outcome = parseOutcome(row.event)
  if (outcome) return describeOutcome(row, outcome)
  switch (row.event) {
    case 'usage.changed':
      return `Usage of ${readText(row, 'tag')} changed to ${readText(row, 'count')}`
    case 'transport.changed':
      return `The transport was set to ${readText(row, 'transport')}`
    case 'clock.tick':
      return describeTick(row)
    default:
      return EVENTS[row.event] ?? capitalize(row.inWords)
  }
}

function describeOutcome(row: Transition, { kind, outcome }: Outcome): string {
  const failure = readFailure(row)
  if (outcome === 'unreachable')
    return failure ? `No answer: ${failure.message}` : 'The license server did not answer'
  if (outcome === 'refused')
    return failure ? `The license server refused: ${failure.message}` : 'The license server refused'
  if (kind !== 'authorize') return ACCEPTED[kind]
  return row.payload.compliant === false
    ? 'The license server answered: too few licenses'
    : 'The license server answered: enough licenses'
}

function describeTick(row: Transition): string {
  const { before, after } = row
  if (after.state === 'auth-expired' && before.state !== after.state)
    return 'The deadline passed without an answer'
  if (after.state === 'unregistered' && before.state === 'evaluation')
    return 'The evaluation time was used up'
  if (before.registration.startsWith('registered') && after.registration === 'unregistered.expired')
    return 'The ID certificate expired'
  const kind = findRequest(row)
  if (kind !== null) return isRetry(row, kind) ? RETRIED[kind] : REQUEST_DUE[kind]
  const [notice] = row.notices
  return notice ? notice.message : 'Time passed'
}
