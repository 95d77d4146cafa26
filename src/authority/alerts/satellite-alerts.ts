import { CREDENTIAL_WARNING_DAYS } from '../../../machines/index.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { type AlertDocument } from './alerts.ts'
import { FINAL_WARNING_WINDOW_MS } from './instance-alerts.ts'

// Satellites

/** How a satellite stands with its manager, as one of both sides sees it. */
export interface SatelliteFacts {
  readonly side: 'manager' | 'satellite'
  readonly name: string
  /** At the manager: where its licenses come from. */
  readonly virtualAccount: string | null
  readonly status: 'unregistered' | 'active' | 'restricted' | 'ended'
  /** Until when its one-time code may be used; null without one. */
  readonly codeUntil: Instant | null
  readonly lastSyncAt: Instant | null
  readonly warnAt: Instant | null
  readonly restrictAt: Instant | null
  readonly automaticUntil: Instant | null
  /** Restored, or found to be a copy, and not synchronized since. */
  readonly inDoubt: boolean
}

/** What is wrong between a satellite and its manager: of its silence only the gravest is said (R-SAT-4). */
export function computeSatelliteAlerts(facts: SatelliteFacts, at: Instant): AlertDocument[] {
  const { side, name, virtualAccount, status, lastSyncAt, warnAt, restrictAt } = facts
  const here = side === 'satellite'
  const subject = { source: name, virtualAccount, instanceId: null, satellite: name }
  const who = `The satellite ${name}`
  const offlineAction = here
    ? 'Synchronize by hand: carry a request to the manager, and its answer back.'
    : 'Have its people synchronize it by hand: answer the request that they carry here.'
  const syncAction = here
    ? 'Synchronize with the manager, by wire or by hand.'
    : 'Have its people synchronize it, by wire or by hand.'
  if (status === 'ended')
    return [
      {
        ...subject,
        severity: 'major',
        type: 'satellite-removed',
        message: `${who} is none any more: it was removed at its manager, or another copy of it goes on.`,
        actionDue: null,
        actions: ['Have a satellite added at the manager, and register the boxes there.'],
      },
    ]
  if (status === 'unregistered')
    return [
      {
        ...subject,
        severity: here ? 'major' : 'minor',
        type: 'satellite-not-registered',
        message: here
          ? `${who} was never synchronized with its manager, and has nothing to give.`
          : `${who} was added, and was never synchronized.`,
        actionDue: toIsoString(facts.codeUntil),
        actions: here
          ? [syncAction]
          : ['Answer the first request that its people carry here, or give them a one-time code.'],
      },
    ]
  const since = `has not synchronized since ${toIsoString(lastSyncAt) ?? 'its beginning'}`
  if (status === 'restricted' || (restrictAt !== null && at >= restrictAt))
    return [
      {
        ...subject,
        severity: 'major',
        type: 'satellite-expired',
        message: `${who} ${since}: ${here ? 'it grants nothing any more' : 'it was taken out, and its registered instances count no more'}.`,
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
      message: `${who} was restored or copied, and promises nothing new until it has synchronized.`,
      actionDue: toIsoString(restrictAt),
      actions: [syncAction],
    })
  // Before the warning that its people have chosen, silence is nothing to speak of.
  if (warnAt !== null && at >= warnAt) {
    const last = restrictAt !== null && restrictAt - at <= FINAL_WARNING_WINDOW_MS
    alerts.push({
      ...subject,
      severity: last ? 'major' : 'minor',
      type: last ? 'satellite-sync-deadline' : 'synchronization-overdue',
      message: `${who} ${since}, and may grant nothing from ${toIsoString(restrictAt) ?? 'the end of its mandate'} on.`,
      actionDue: toIsoString(restrictAt),
      actions: [syncAction],
    })
  }
  return [...alerts, ...computeCredentialAlerts(facts, offlineAction, at)]
}

/**
 * A satellite that may not synchronize by itself for much longer, or not any more. It is warned of at the first of the
 * usual days (30, 14, 7, 3, 1) that leaves at least half of its leave in peace: a leave of 14 days is not always about to end.
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
      message: `The satellite ${name} ${over ? 'might' : 'may'} synchronize by itself until ${toIsoString(automaticUntil)}${over ? ', and not any more' : ''}.`,
      source: name,
      virtualAccount,
      instanceId: null,
      satellite: name,
      actionDue: toIsoString(automaticUntil),
      actions: over ? [offlineAction] : ['Have it synchronize before, which renews its leave.'],
    },
  ]
}
