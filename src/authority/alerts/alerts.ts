import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { REMINDER_INTERVAL, MAX_REMINDERS } from '../inventory/orders.ts'
import { SATELLITE_RECOMMENDED_AT } from '../policy.ts'

/** Alert types. The names are part of the API and do not change. */
export const ALERT_TYPES = [
  'agreement-pending',
  'authority-reverted',
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
  'profile-differs',
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

/** A condition that needs action. Alerts are computed from the current data and end with the condition (R-ACC-7). */
export interface AlertDocument {
  readonly severity: AlertSeverity
  readonly type: AlertType
  /** One sentence that gives the condition and its quantity. */
  readonly message: string
  readonly source: string
  /** Name of the virtual account; null for an alert of the whole smart account. */
  readonly virtualAccount: string | null
  readonly instanceId: string | null
  readonly satellite: string | null
  /** Deadline, possibly in the past; null where nothing further happens without action. */
  readonly actionDue: string | null
  /** Recommended actions, each a sentence. */
  readonly actions: readonly string[]
}

/** Returns the deadline of an alert, for sorting. Alerts without one come last. */
export const getDue = ({ actionDue }: Pick<AlertDocument, 'actionDue'>): number =>
  actionDue === null ? Infinity : Date.parse(actionDue)

/** Sorts alerts by severity, then by deadline, then by text. */
export function sortBySeverity(alerts: readonly AlertDocument[]): AlertDocument[] {
  const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return [...alerts].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      (getDue(a) === getDue(b) ? 0 : getDue(a) - getDue(b)) ||
      compareText(a.message, b.message) ||
      compareText(a.instanceId ?? '', b.instanceId ?? ''),
  )
}

/** A virtual account and, where it belongs to one, its satellite. */
export interface AlertLocation {
  readonly virtualAccount: string
  readonly satellite: string | null
}

const NO_LOCATION = { virtualAccount: null, instanceId: null, satellite: null }

// The smart account

/** Returns an alert while the license agreement is not accepted. Until then no device can register (R-ACC-8). */
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
      actions: ['Have an authorized representative accept the license agreement.'],
    },
  ]
}

/** Period for which the alert about a reverted database is shown. */
export const REVERT_ALERT_PERIOD = 30 * DAY

/** Returns an alert for 30 days after the database went back without a restore (R-OPS-2). */
export function computeRevertedAlerts(
  account: { domain: string },
  revertedAt: Instant | null,
): AlertDocument[] {
  if (revertedAt === null) return []
  return [
    {
      ...NO_LOCATION,
      severity: 'major',
      type: 'authority-reverted',
      message: `The database went back to an earlier state, noticed at ${toIsoString(revertedAt)}: what was changed since then is lost.`,
      source: account.domain,
      actionDue: null,
      actions: [
        'Find out what set the database back: a snapshot, a restore or a failover.',
        'Enter lost orders again, and review the tokens, product instances and reservations that are on hold.',
      ],
    },
  ]
}

/** Recommends a disconnected satellite for more than 30 reserved devices (R-SLR-8). */
export function computeOfflineAlerts(account: { domain: string }, reserved: number): AlertDocument[] {
  if (reserved <= SATELLITE_RECOMMENDED_AT) return []
  return [
    {
      ...NO_LOCATION,
      severity: 'informational',
      type: 'satellite-recommended',
      message: `${reserved} devices of ${account.domain} work from reservations. A disconnected satellite would serve them with less work.`,
      source: account.domain,
      actionDue: null,
      actions: ['Set up a disconnected satellite, and move the devices to it.'],
    },
  ]
}

export interface WaitingOrder {
  readonly id: string
  readonly what: string
  readonly status: 'waiting' | 'escalated'
  readonly reminders: number
  readonly nextAt: Instant | null
}

/**
 * Returns the alert of an order that names no smart account. The buyer gets three reminders, a week apart. A week after
 * the last reminder an administrator must act. The alert omits the buyer's address.
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
    actions: [handedOver ? 'Call the buyer.' : 'Wait for the buyer.', 'Assign the order to a smart account.'],
  }
}

/** Returns an alert for unsent e-mail, or for e-mail without a configured transport. It belongs to no smart account. */
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
      message: `${waiting} ${waiting === 1 ? 'e-mail waits' : 'e-mails wait'} to be sent: ${configured && failure !== null ? failure : 'no mail transport is configured.'}`,
      source: 'e-mail',
      actionDue: null,
      actions: [
        configured ? 'Check the mail settings and the mail server.' : 'Configure the mail transport.',
      ],
    },
  ]
}

/** Returns an alert for the messages of a webhook that are no longer retried. */
export function computeWebhookAlert(hook: { id: string; host: string; dead: number }): AlertDocument {
  const { id, host, dead } = hook
  return {
    ...NO_LOCATION,
    severity: 'minor',
    type: 'webhook-not-delivered',
    message: `${dead} ${dead === 1 ? 'message' : 'messages'} of the webhook ${id} could not be delivered to ${host}.`,
    source: `webhook ${id}`,
    actionDue: null,
    actions: ['Find out why the receiver rejected them.', 'Send them again, or remove the webhook.'],
  }
}

/** Returns an alert for a scheduled report whose last run failed. */
export function computeScheduleAlert(schedule: { id: string; kind: string; failure: string }): AlertDocument {
  const { id, kind, failure } = schedule
  return {
    ...NO_LOCATION,
    severity: 'minor',
    type: 'report-not-made',
    message: `The last run of the scheduled report ${id} of ${kind} failed: ${failure}`,
    source: `report ${id}`,
    actionDue: null,
    actions: [
      'Fix the cause. The report is created again at its next scheduled time.',
      'Or remove the scheduled report.',
    ],
  }
}
