import { CREDENTIAL_WARNINGS } from '../../../machines/index.ts'
import { DAY, type Instant, iso } from '../../core/time.ts'
import { type AlertDocument } from './alerts.ts'
import { LAST_DAYS } from './instance-alerts.ts'

// Satellites

/** How a satellite stands with its manager, as one of both sides sees it. */
export interface SatelliteFacts {
  readonly side: 'manager' | 'satellite'
  readonly name: string
  /** At the manager: where its licences come from. */
  readonly virtualAccount: string | null
  readonly standing: 'unregistered' | 'active' | 'restricted' | 'ended'
  /** Until when its one-time code may be used; null without one. */
  readonly codeUntil: Instant | null
  readonly lastSyncAt: Instant | null
  readonly warnAt: Instant | null
  readonly restrictAt: Instant | null
  readonly automaticUntil: Instant | null
  /** Restored, or found to be a copy, and not synchronised since. */
  readonly inDoubt: boolean
}

/** What is wrong between a satellite and its manager: of its silence only the gravest is said (R-SAT-4). */
export function satelliteAlerts(facts: SatelliteFacts, at: Instant): AlertDocument[] {
  const { side, name, virtualAccount, standing, lastSyncAt, warnAt, restrictAt } = facts
  const here = side === 'satellite'
  const place = { source: name, virtualAccount, instanceId: null, satellite: name }
  const who = `The satellite ${name}`
  const byHand = here
    ? 'Synchronise by hand: carry a request to the manager, and its answer back.'
    : 'Have its people synchronise it by hand: answer the request that they carry here.'
  const synchronise = here
    ? 'Synchronise with the manager, by wire or by hand.'
    : 'Have its people synchronise it, by wire or by hand.'
  if (standing === 'ended')
    return [
      {
        ...place,
        severity: 'major',
        type: 'satellite-removed',
        message: `${who} is none any more: it was removed at its manager, or another copy of it goes on.`,
        actionDue: null,
        actions: ['Have a satellite added at the manager, and register the boxes there.'],
      },
    ]
  if (standing === 'unregistered')
    return [
      {
        ...place,
        severity: here ? 'major' : 'minor',
        type: 'satellite-not-registered',
        message: here
          ? `${who} was never synchronised with its manager, and has nothing to give.`
          : `${who} was added, and was never synchronised.`,
        actionDue: iso(facts.codeUntil),
        actions: here
          ? [synchronise]
          : ['Answer the first request that its people carry here, or give them a one-time code.'],
      },
    ]
  const since = `has not synchronised since ${iso(lastSyncAt) ?? 'its beginning'}`
  if (standing === 'restricted' || (restrictAt !== null && at >= restrictAt))
    return [
      {
        ...place,
        severity: 'major',
        type: 'satellite-expired',
        message: `${who} ${since}: ${here ? 'it grants nothing any more' : 'it was taken out, and its registered instances count no more'}.`,
        actionDue: iso(restrictAt),
        actions: [byHand],
      },
    ]
  const alerts: AlertDocument[] = []
  if (facts.inDoubt)
    alerts.push({
      ...place,
      severity: 'major',
      type: 'satellite-in-doubt',
      message: `${who} was restored or copied, and promises nothing new until it has synchronised.`,
      actionDue: iso(restrictAt),
      actions: [synchronise],
    })
  // Before the warning that its people have chosen, silence is nothing to speak of.
  if (warnAt !== null && at >= warnAt) {
    const last = restrictAt !== null && restrictAt - at <= LAST_DAYS
    alerts.push({
      ...place,
      severity: last ? 'major' : 'minor',
      type: last ? 'satellite-sync-deadline' : 'synchronization-overdue',
      message: `${who} ${since}, and may grant nothing from ${iso(restrictAt) ?? 'the end of its mandate'} on.`,
      actionDue: iso(restrictAt),
      actions: [synchronise],
    })
  }
  return [...alerts, ...credentialAlerts(facts, byHand, at)]
}

/**
 * A satellite that may not synchronise by itself for much longer, or not any more. It is warned of at the first of the
 * usual days (30, 14, 7, 3, 1) that leaves at least half of its leave in peace: a leave of 14 days is not always about to end.
 */
function credentialAlerts(
  { name, virtualAccount, lastSyncAt, automaticUntil }: SatelliteFacts,
  byHand: string,
  at: Instant,
): AlertDocument[] {
  if (automaticUntil === null || lastSyncAt === null) return []
  const leave = automaticUntil - lastSyncAt
  const days = CREDENTIAL_WARNINGS.find((one) => 2 * one * DAY <= leave) ?? 0
  if (at < automaticUntil - days * DAY) return []
  const over = at >= automaticUntil
  return [
    {
      severity: over ? 'major' : 'minor',
      type: 'sync-credential-ending',
      message: `The satellite ${name} ${over ? 'might' : 'may'} synchronise by itself until ${iso(automaticUntil)}${over ? ', and not any more' : ''}.`,
      source: name,
      virtualAccount,
      instanceId: null,
      satellite: name,
      actionDue: iso(automaticUntil),
      actions: over ? [byHand] : ['Have it synchronise before, which renews its leave.'],
    },
  ]
}
