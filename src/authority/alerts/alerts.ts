import { type Instant, toIsoString } from '../../core/time.ts'
import { REMINDER_INTERVAL, MAX_REMINDERS } from '../inventory/orders.ts'
import { SATELLITE_RECOMMENDED_AT } from '../policy.ts'

/** What an alert may be about: these words are stable. */
export const ALERT_TYPES = [
  'agreement-pending',
  'insufficient-licenses',
  'licenses-expiring',
  'licenses-expired',
  'reserved-license-expired',
  'reserved-licenses-returned',
  'duplicate-licenses',
  'update-not-confirmed',
  'instance-failed-to-connect',
  'instance-failed-to-renew',
  'instance-diverged',
  'satellite-not-registered',
  'synchronization-overdue',
  'satellite-sync-deadline',
  'satellite-expired',
  'satellite-removed',
  'satellite-in-doubt',
  'sync-credential-ending',
  'satellite-recommended',
  'order-without-account',
  'mail-not-sent',
  'token-in-doubt',
  'instance-in-review',
  'reservation-in-doubt',
  'webhook-not-delivered',
  'report-not-made',
] as const

export type AlertType = (typeof ALERT_TYPES)[number]

export const SEVERITIES = ['major', 'minor', 'informational'] as const

export type AlertSeverity = (typeof SEVERITIES)[number]

/** What somebody should do something about: computed from what is, so that it is gone when that is mended (R-ACC-7). */
export interface AlertDocument {
  readonly severity: AlertSeverity
  readonly type: AlertType
  /** One sentence: what, and how many. */
  readonly message: string
  /** What it is about, by name. */
  readonly source: string
  /** The virtual account it is about; null for what is of the whole smart account. */
  readonly virtualAccount: string | null
  readonly instanceId: string | null
  readonly satellite: string | null
  /** By when; null where nothing further happens by itself. It may have passed. */
  readonly actionDue: string | null
  /** What to do about it, in plain words. */
  readonly actions: readonly string[]
}

/** The most urgent first: by severity, then by when something is due, then by what they say. */
export function sortBySeverity(alerts: readonly AlertDocument[]): AlertDocument[] {
  const due = ({ actionDue }: AlertDocument): number =>
    actionDue === null ? Infinity : Date.parse(actionDue)
  const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return [...alerts].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      (due(a) === due(b) ? 0 : due(a) - due(b)) ||
      compareText(a.message, b.message) ||
      compareText(a.instanceId ?? '', b.instanceId ?? ''),
  )
}

/** Where it is: in a virtual account, which may be a satellite's. */
export interface AlertLocation {
  readonly virtualAccount: string
  readonly satellite: string | null
}

const NO_LOCATION = { virtualAccount: null, instanceId: null, satellite: null }

// The smart account

/** Nothing registers before the license agreement is accepted (R-ACC-8). */
export function computeAgreementAlerts(account: {
  domain: string
  agreementAt: Instant | null
}): AlertDocument[] {
  if (account.agreementAt !== null) return []
  return [
    {
      ...NO_LOCATION,
      severity: 'major',
      type: 'agreement-pending',
      message: `The license agreement of ${account.domain} is not accepted: no product instance can register.`,
      source: account.domain,
      actionDue: null,
      actions: ['Have somebody with the authority to do so accept the license agreement.'],
    },
  ]
}

/** Beyond so many boxes that work from reservations, a disconnected satellite is less work (R-SLR-8: 30). */
export function computeOfflineAlerts(account: { domain: string }, reserved: number): AlertDocument[] {
  if (reserved <= SATELLITE_RECOMMENDED_AT) return []
  return [
    {
      ...NO_LOCATION,
      severity: 'informational',
      type: 'satellite-recommended',
      message: `${reserved} boxes of ${account.domain} work from reservations: a disconnected satellite would serve them with less work.`,
      source: account.domain,
      actionDue: null,
      actions: ['Set up a disconnected satellite, and move the boxes to it.'],
    },
  ]
}

/** An order that no smart account was named for. */
export interface WaitingOrder {
  readonly id: string
  readonly what: string
  readonly status: 'waiting' | 'escalated'
  readonly reminders: number
  readonly nextAt: Instant | null
}

/**
 * An order without a smart account waits while its buyer is reminded, and is then for a person: due when the last
 * reminder has had its time (three, a week apart). The buyer's address is not repeated here.
 */
export function computeOrderAlert({ id, what, status, reminders, nextAt }: WaitingOrder): AlertDocument {
  const handedOver = status === 'escalated'
  return {
    ...NO_LOCATION,
    severity: handedOver ? 'major' : 'minor',
    type: 'order-without-account',
    message: handedOver
      ? `Order ${id}, ${what}, still names no smart account after ${reminders} reminders.`
      : `Order ${id}, ${what}, names no smart account, and its buyer was reminded ${reminders} of ${MAX_REMINDERS} times.`,
    source: `order ${id}`,
    actionDue: nextAt === null ? null : toIsoString(nextAt + (MAX_REMINDERS - reminders) * REMINDER_INTERVAL),
    actions: [handedOver ? 'Call its buyer.' : 'Wait for its buyer.', 'Assign the order to a smart account.'],
  }
}

/** E-mail that could not be sent, or that nobody has said where to send to; it is of no smart account. */
export function computeMailAlerts(mail: {
  waiting: number
  failure: string | null
  configured: boolean
}): AlertDocument[] {
  const { waiting, failure, configured } = mail
  if (waiting === 0 || (configured && failure === null)) return []
  return [
    {
      ...NO_LOCATION,
      severity: 'minor',
      type: 'mail-not-sent',
      message: `${waiting} waiting to be sent: ${configured && failure !== null ? failure : 'nowhere is set for e-mail to go.'}`,
      source: 'e-mail',
      actionDue: null,
      actions: [
        configured ? 'Check where e-mail goes, and whether its server is there.' : 'Set where e-mail goes.',
      ],
    },
  ]
}

/** Messages of a webhook that are not tried any more. */
export function computeWebhookAlert(hook: { id: string; host: string; dead: number }): AlertDocument {
  const { id, host, dead } = hook
  return {
    ...NO_LOCATION,
    severity: 'minor',
    type: 'webhook-not-delivered',
    message: `${dead} ${dead === 1 ? 'message' : 'messages'} of the webhook ${id} could not be delivered to ${host}.`,
    source: `webhook ${id}`,
    actionDue: null,
    actions: ['Find out why its receiver did not take them.', 'Have them sent again, or remove the webhook.'],
  }
}

/** A scheduled report that could not be made, or written, the last time. */
export function computeScheduleAlert(schedule: { id: string; kind: string; failure: string }): AlertDocument {
  const { id, kind, failure } = schedule
  return {
    ...NO_LOCATION,
    severity: 'minor',
    type: 'report-not-made',
    message: `The scheduled report ${id} of ${kind} failed the last time: ${failure}`,
    source: `report ${id}`,
    actionDue: null,
    actions: ['Mend what it says; it is made again at its next time.', 'Or remove the scheduled report.'],
  }
}
