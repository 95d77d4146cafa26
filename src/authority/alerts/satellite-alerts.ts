import { CREDENTIAL_WARNING_DAYS } from '../../../machines/index.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { type AlertDocument } from './alerts.ts'
import { FINAL_WARNING_WINDOW_MS } from './instance-alerts.ts'

// Satellites

/** Synchronization status of a satellite, as the satellite or its manager sees it. */
export interface SatelliteFacts {
  readonly side: 'manager' | 'satellite'
  readonly name: string
  /** At the manager, the virtual account of its licenses. */
  readonly virtualAccount: string | null
  readonly status: 'unregistered' | 'active' | 'restricted' | 'ended'
  /** End of validity of the one-time code; null without a code. */
  readonly codeUntil: Instant | null
  readonly lastSyncAt: Instant | null
  readonly warnAt: Instant | null
  readonly restrictAt: Instant | null
  readonly automaticUntil: Instant | null
  /** True for a satellite that was restored or copied and has not synchronized since. */
  readonly inDoubt: boolean
}

/**
 * Returns the alerts about a satellite's synchronization. Of the alerts about missed contact only the most severe is
 * returned (R-SAT-4).
 */
export function computeSatelliteAlerts(facts: SatelliteFacts, at: Instant): AlertDocument[] {
  const { side, name, virtualAccount, status, lastSyncAt, warnAt, restrictAt } = facts
  const here = side === 'satellite'
  const subject = { source: name, virtualAccount, instanceId: null, satellite: name }
  const who = `The satellite ${name}`
  const offlineAction = here
    ? 'Synchronize offline: carry a request file to the manager, and its answer back.'
    : 'Have its administrators synchronize it offline, and answer their request file here.'
  const syncAction = here
    ? 'Synchronize with the manager, online or offline.'
    : 'Have its administrators synchronize it, online or offline.'
  if (status === 'ended')
    return [
      {
        ...subject,
        severity: 'major',
        type: 'satellite-removed',
        message: `${who} is no longer valid: it was removed at its manager, or another copy of it is in use.`,
        actionDue: null,
        actions: ['Have a satellite added at the manager, and register the devices with that satellite.'],
      },
    ]
  if (status === 'unregistered')
    return [
      {
        ...subject,
        severity: here ? 'major' : 'minor',
        type: 'satellite-not-registered',
        message: here
          ? `${who} was never synchronized with its manager, and has no licenses to grant.`
          : `${who} was added, but was never synchronized.`,
        actionDue: toIsoString(facts.codeUntil),
        actions: here
          ? [syncAction]
          : ['Answer the first request file of its administrators, or give them a one-time code.'],
      },
    ]
  const since = `has not synchronized since ${toIsoString(lastSyncAt) ?? 'it was added'}`
  if (status === 'restricted' || (restrictAt !== null && at >= restrictAt))
    return [
      {
        ...subject,
        severity: 'major',
        type: 'satellite-expired',
        message: `${who} ${since}: ${here ? 'it no longer grants licenses' : 'its registered instances are no longer counted'}.`,
        actionDue: toIsoString(restrictAt),
        actions: [offlineAction],
      },
    ]
  const alerts: AlertDocument[] = []
  if (facts.inDoubt)
    alerts.push({
      ...subject,
      severity: 'major',
      type: 'satellite-in-doubt',
      message: `${who} was restored or copied, and grants nothing new until it has synchronized.`,
      actionDue: toIsoString(restrictAt),
      actions: [syncAction],
    })
  // The warning period is chosen by the administrators.
  if (warnAt !== null && at >= warnAt) {
    const last = restrictAt !== null && restrictAt - at <= FINAL_WARNING_WINDOW_MS
    alerts.push({
      ...subject,
      severity: last ? 'major' : 'minor',
      type: last ? 'satellite-sync-deadline' : 'synchronization-overdue',
      message: `${who} ${since}, and may grant nothing from ${toIsoString(restrictAt) ?? 'the end of its delegation'} on.`,
      actionDue: toIsoString(restrictAt),
      actions: [syncAction],
    })
  }
  return [...alerts, ...computeCredentialAlerts(facts, offlineAction, at)]
}

/**
 * Returns an alert for a satellite whose permission for automatic synchronization ends or has ended. The alert begins at
 * the first of the usual days (30, 14, 7, 3, 1) in the second half of the period, so that short periods do not always warn.
 */
function computeCredentialAlerts(
  { name, virtualAccount, lastSyncAt, automaticUntil }: SatelliteFacts,
  offlineAction: string,
  at: Instant,
): AlertDocument[] {
  if (automaticUntil === null || lastSyncAt === null) return []
  const period = automaticUntil - lastSyncAt
  const days = CREDENTIAL_WARNING_DAYS.find((one) => 2 * one * DAY <= period) ?? 0
  if (at < automaticUntil - days * DAY) return []
  const over = at >= automaticUntil
  return [
    {
      severity: over ? 'major' : 'minor',
      type: 'sync-credential-ending',
      message: `The satellite ${name} ${over ? 'could' : 'can'} synchronize automatically until ${toIsoString(automaticUntil)}${over ? ', and no longer can' : ''}.`,
      source: name,
      virtualAccount,
      instanceId: null,
      satellite: name,
      actionDue: toIsoString(automaticUntil),
      actions: over ? [offlineAction] : ['Have it synchronize before then, which renews the permission.'],
    },
  ]
}
