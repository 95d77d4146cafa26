import { CREDENTIAL_WARNINGS } from '../../../machines/index.ts'
import { DAY, type Instant, iso } from '../../core/time.ts'
import type { LicenseDocument } from '../inventory/accounts.ts'
import { BETWEEN_REMINDERS, REMINDERS, TERM_WARNINGS } from '../inventory/orders.ts'
import { AUTHORIZATION_LIFE, BACKDATED, IDENTITY_LIFE, type Lot, OFFLINE_BOXES } from '../policy.ts'

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

const SEVERITIES = ['major', 'minor', 'informational'] as const
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
export function bySeverity(alerts: readonly AlertDocument[]): AlertDocument[] {
  const due = ({ actionDue }: AlertDocument): number =>
    actionDue === null ? Infinity : Date.parse(actionDue)
  const words = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return [...alerts].sort(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
      (due(a) === due(b) ? 0 : due(a) - due(b)) ||
      words(a.message, b.message) ||
      words(a.instanceId ?? '', b.instanceId ?? ''),
  )
}

/** Where it is: in a virtual account, which may be a satellite's. */
interface Place {
  readonly virtualAccount: string
  readonly satellite: string | null
}

const nowhere = { virtualAccount: null, instanceId: null, satellite: null }

// The smart account

/** Nothing registers before the licence agreement is accepted (R-ACC-8). */
export function agreementAlerts(account: { domain: string; agreementAt: Instant | null }): AlertDocument[] {
  if (account.agreementAt !== null) return []
  return [
    {
      ...nowhere,
      severity: 'major',
      type: 'agreement-pending',
      message: `The licence agreement of ${account.domain} is not accepted: no product instance can register.`,
      source: account.domain,
      actionDue: null,
      actions: ['Have somebody with the authority to do so accept the licence agreement.'],
    },
  ]
}

/** Beyond so many boxes that work from reservations, a disconnected satellite is less work (R-SLR-8: 30). */
export function offlineAlerts(account: { domain: string }, reserved: number): AlertDocument[] {
  if (reserved <= OFFLINE_BOXES) return []
  return [
    {
      ...nowhere,
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
  readonly status: 'waiting' | 'handed-over'
  readonly reminders: number
  readonly nextAt: Instant | null
}

/**
 * An order without a smart account waits while its buyer is reminded, and is then for a person: due when the last
 * reminder has had its time (three, a week apart). The buyer's address is not repeated here.
 */
export function orderAlert({ id, what, status, reminders, nextAt }: WaitingOrder): AlertDocument {
  const handedOver = status === 'handed-over'
  return {
    ...nowhere,
    severity: handedOver ? 'major' : 'minor',
    type: 'order-without-account',
    message: handedOver
      ? `Order ${id}, ${what}, still names no smart account after ${reminders} reminders.`
      : `Order ${id}, ${what}, names no smart account, and its buyer was reminded ${reminders} of ${REMINDERS} times.`,
    source: `order ${id}`,
    actionDue: nextAt === null ? null : iso(nextAt + (REMINDERS - reminders) * BETWEEN_REMINDERS),
    actions: [handedOver ? 'Call its buyer.' : 'Wait for its buyer.', 'Assign the order to a smart account.'],
  }
}

/** E-mail that could not be sent, or that nobody has said where to send to; it is of no smart account. */
export function mailAlerts(mail: {
  waiting: number
  failure: string | null
  configured: boolean
}): AlertDocument[] {
  const { waiting, failure, configured } = mail
  if (waiting === 0 || (configured && failure === null)) return []
  return [
    {
      ...nowhere,
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
export function webhookAlert(hook: { id: string; host: string; dead: number }): AlertDocument {
  const { id, host, dead } = hook
  return {
    ...nowhere,
    severity: 'minor',
    type: 'webhook-not-delivered',
    message: `${dead} ${dead === 1 ? 'message' : 'messages'} of the webhook ${id} could not be delivered to ${host}.`,
    source: `webhook ${id}`,
    actionDue: null,
    actions: ['Find out why its receiver did not take them.', 'Have them sent again, or remove the webhook.'],
  }
}

/** A scheduled report that could not be made, or written, the last time. */
export function scheduleAlert(schedule: { id: string; kind: string; failure: string }): AlertDocument {
  const { id, kind, failure } = schedule
  return {
    ...nowhere,
    severity: 'minor',
    type: 'report-not-made',
    message: `The scheduled report ${id} of ${kind} failed the last time: ${failure}`,
    source: `report ${id}`,
    actionDue: null,
    actions: ['Mend what it says; it is made again at its next time.', 'Or remove the scheduled report.'],
  }
}

// Licences

/** A pool whose instances use, with what is reserved, more than it owns (R-AUTH-2). */
export function poolAlerts(license: LicenseDocument, satellite: string | null): AlertDocument[] {
  const { virtualAccount, tag, quantity, inUse, reserved, balance, status } = license
  if (status === 'in-compliance') return []
  return [
    {
      severity: 'major',
      type: 'insufficient-licenses',
      message: `${virtualAccount} has ${-balance} too few of ${tag}: ${inUse} in use, ${reserved === 0 ? '' : `${reserved} reserved, `}${quantity} owned.`,
      source: tag,
      virtualAccount,
      instanceId: null,
      satellite,
      actionDue: null,
      actions: [
        `Order ${-balance} more of ${tag}, or transfer them from another virtual account.`,
        'Or use less, or remove product instances that are no more.',
      ],
    },
  ]
}

/** How long before an end of licences it is said, and how long after: the first of the warnings of terms (90 days). */
export const TERM_WINDOW = Math.max(...TERM_WARNINGS) * DAY

/** The lots of a pool of which some end, or have ended. */
export interface PoolLots extends Place {
  readonly tag: string
  readonly lots: readonly Lot[]
}

/**
 * What ends of a pool near an instant and was not replaced: by lots that were bought later, within the window before the
 * end, and last beyond it. Each lot replaces others once; the earliest ends are replaced first.
 */
function endsNear(lots: readonly Lot[], at: Instant): { endsAt: Instant; quantity: number; lost: number }[] {
  const left = new Map(lots.map((lot) => [lot, lot.quantity]))
  const ends = new Map<Instant, { quantity: number; lost: number }>()
  const ending = lots
    .flatMap((lot) => (lot.endsAt === null ? [] : [{ lot, endsAt: lot.endsAt }]))
    .filter(({ endsAt }) => Math.abs(endsAt - at) <= TERM_WINDOW)
    .sort((a, b) => a.endsAt - b.endsAt)
  for (const { lot, endsAt } of ending) {
    let lost = lot.quantity
    for (const other of lots) {
      const replaces =
        other.startsAt > lot.startsAt &&
        other.startsAt >= endsAt - TERM_WINDOW &&
        (other.endsAt === null || other.endsAt > endsAt)
      if (!replaces) continue
      const taken = Math.min(lost, left.get(other) ?? 0)
      left.set(other, (left.get(other) ?? 0) - taken)
      lost -= taken
    }
    const sum = ends.get(endsAt) ?? { quantity: 0, lost: 0 }
    ends.set(endsAt, { quantity: sum.quantity + lot.quantity, lost: sum.lost + lost })
  }
  return [...ends].map(([endsAt, sum]) => ({ endsAt, ...sum })).filter(({ lost }) => lost > 0)
}

/** The closer the end, the graver: 90, 60 and 30 days before it (the warnings of terms). */
function severityBefore(left: number): AlertSeverity {
  const come = [...TERM_WARNINGS].sort((a, b) => a - b).findIndex((days) => left <= days * DAY)
  return SEVERITIES[come] ?? 'informational'
}

/** Licences whose term ends within 90 days, or has ended within as many, and that were not replaced (R-ACC-6). */
export function termAlerts(pool: PoolLots, at: Instant): AlertDocument[] {
  const { tag, virtualAccount, satellite } = pool
  return endsNear(pool.lots, at).map(({ endsAt, quantity, lost }) => {
    const over = endsAt <= at
    const rest = lost === quantity ? '' : `, of which ${lost} ${lost === 1 ? 'was' : 'were'} not replaced`
    return {
      severity: over ? 'major' : severityBefore(endsAt - at),
      type: over ? 'licenses-expired' : 'licenses-expiring',
      message: `${quantity} of ${tag} in ${virtualAccount} ${over ? 'ended' : 'end'} at ${iso(endsAt)}${rest}.`,
      source: tag,
      virtualAccount,
      instanceId: null,
      satellite,
      actionDue: iso(endsAt),
      actions: [`Order a new term for ${lost} of ${tag}, or see to it that they are not needed any more.`],
    }
  })
}

// Product instances

/** A product instance, by what people know it by. */
export interface InstanceFacts extends Place {
  readonly id: string
  readonly pid: string
  readonly serial: string
}

const about = ({ id, pid, serial, virtualAccount, satellite }: InstanceFacts) => ({
  source: `${pid}:${serial}`,
  virtualAccount,
  instanceId: id,
  satellite,
})

/**
 * An instance that has been silent for longer than it waits to renew its authorization (30 days, unless its product says
 * otherwise); its authorization ends 90 days after the last one was given.
 *
 * @param renewal milliseconds from one authorization to the next
 */
export function silenceAlerts(
  instance: InstanceFacts & { lastContactAt: Instant },
  renewal: number,
  at: Instant,
): AlertDocument[] {
  const { lastContactAt } = instance
  if (at - lastContactAt <= renewal) return []
  const endsAt = lastContactAt - BACKDATED + AUTHORIZATION_LIFE
  const over = at >= endsAt
  const place = about(instance)
  return [
    {
      ...place,
      severity: over ? 'major' : 'minor',
      type: 'instance-failed-to-connect',
      message: `${place.source} has not been in contact since ${iso(lastContactAt)}, and its authorization ${over ? 'ended' : 'ends'} at ${iso(endsAt)}.`,
      actionDue: iso(endsAt),
      actions: [
        'Find out whether the box runs, and whether it reaches this authority.',
        'Remove the product instance if the box is no more: its licences go back to the pool.',
      ],
    },
  ]
}

/** A registration renews itself at the half of its year: in its last quarter that has failed for months. */
export const RENEWAL_LATE = IDENTITY_LIFE / 4
/** The last of the warnings of terms (30 days): from here on it is grave. */
const LAST_DAYS = Math.min(...TERM_WARNINGS) * DAY

/** An instance whose registration is in its last quarter and was not renewed; after its end it must register again (R-REG-6). */
export function renewalAlerts(
  instance: InstanceFacts & { expiresAt: Instant },
  at: Instant,
): AlertDocument[] {
  const { expiresAt } = instance
  const left = expiresAt - at
  if (left > RENEWAL_LATE) return []
  const place = about(instance)
  return [
    {
      ...place,
      severity: left <= LAST_DAYS ? 'major' : 'minor',
      type: 'instance-failed-to-renew',
      message: `${place.source} has not renewed its registration, which ends at ${iso(expiresAt)}.`,
      actionDue: iso(expiresAt),
      actions: [
        'Renew the registration on the box, once it reaches this authority.',
        'After its end the box must register again, with a new token.',
      ],
    },
  ]
}

/** An instance that showed two histories, and has not registered since. */
export function divergedAlert(instance: InstanceFacts & { at: Instant }): AlertDocument {
  const place = about(instance)
  return {
    ...place,
    severity: 'major',
    type: 'instance-diverged',
    message: `${place.source} has two histories since ${iso(instance.at)}: it may have been copied, or restored from a copy.`,
    actionDue: null,
    actions: [
      'Find out which boxes work under this name, and stop those that should not.',
      'Register the right one anew, over the one that is there; or remove the product instance.',
    ],
  }
}

/** A box whose newest authorization is not known to be installed: the larger of both quantities is held (R-SLR-5). */
export function updateAlert(instance: InstanceFacts & { updatedAt: Instant }): AlertDocument {
  const place = about(instance)
  return {
    ...place,
    severity: 'minor',
    type: 'update-not-confirmed',
    message: `The update of ${iso(instance.updatedAt)} for ${place.source} waits for its confirmation code, and the larger of both quantities is held.`,
    actionDue: null,
    actions: ['Install the newest authorization file on the box, and enter the code that it prints.'],
  }
}

/** Licences of a term that were reserved for a box, and have ended: the box knows, and nobody else can tell it of new ones. */
export function reservedTermAlert(
  instance: InstanceFacts & { tag: string; count: number; endsAt: Instant },
): AlertDocument {
  const { tag, count, endsAt, satellite } = instance
  const place = about(instance)
  return {
    ...place,
    severity: 'major',
    type: 'reserved-license-expired',
    message: `${count} of ${tag} that were reserved for ${place.source} ended at ${iso(endsAt)}.`,
    actionDue: iso(endsAt),
    actions: [
      `Order a new term, and update the reservation of the box${satellite === null ? '' : ` at the satellite ${satellite}`}.`,
      'Or take the licences out of the reservation.',
    ],
  }
}

/** How long it is said that reserved licences came back. */
export const RETURNED_WINDOW = 30 * DAY

/** Licences that were reserved for a box, and are back in their pool. */
export function returnedAlert(
  instance: InstanceFacts & {
    endedAt: Instant
    lost: boolean
    licenses: readonly { tag: string; count: number }[]
  },
): AlertDocument {
  const { endedAt, lost, licenses, virtualAccount } = instance
  const place = about(instance)
  const what = licenses.map(({ tag, count }) => `${count} of ${tag}`).join(', ') || 'The licences'
  return {
    ...place,
    severity: 'informational',
    type: 'reserved-licenses-returned',
    message: `${what} that were reserved for ${place.source} are back in ${virtualAccount} since ${iso(endedAt)}${lost ? ': the box was given up as lost' : ''}.`,
    actionDue: null,
    actions: ['Nothing needs to be done: they may be used again.'],
  }
}

/** A box that is there twice, once with licences reserved for it: both count until a person has looked. */
export function duplicateAlert(instance: InstanceFacts & { other: string }): AlertDocument {
  const place = about(instance)
  return {
    ...place,
    severity: 'major',
    type: 'duplicate-licenses',
    message: `${place.source} is at ${instance.satellite === null ? 'the manager' : `the satellite ${instance.satellite}`} and at ${instance.other}, and its licences count twice.`,
    actionDue: null,
    actions: ['Find out where the box works, and have it returned or removed at the other place.'],
  }
}

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
