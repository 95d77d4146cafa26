import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { TERM_WARNING_DAYS } from '../inventory/orders.ts'
import { AUTHORIZATION_LIFETIME, BACKDATE_MS, IDENTITY_LIFETIME } from '../policy.ts'
import { type AlertDocument, type AlertLocation } from './alerts.ts'

// Product instances

/** A product instance, by what people know it by. */
export interface InstanceFacts extends AlertLocation {
  readonly id: string
  readonly pid: string
  readonly serial: string
}

const toAlertSubject = ({ id, pid, serial, virtualAccount, satellite }: InstanceFacts) => ({
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
export function computeMissedContactAlerts(
  instance: InstanceFacts & { lastContactAt: Instant },
  renewal: number,
  at: Instant,
): AlertDocument[] {
  const { lastContactAt } = instance
  if (at - lastContactAt <= renewal) return []
  const endsAt = lastContactAt - BACKDATE_MS + AUTHORIZATION_LIFETIME
  const over = at >= endsAt
  const subject = toAlertSubject(instance)
  return [
    {
      ...subject,
      severity: over ? 'major' : 'minor',
      type: 'instance-failed-to-connect',
      message: `${subject.source} has not been in contact since ${toIsoString(lastContactAt)}, and its authorization ${over ? 'ended' : 'ends'} at ${toIsoString(endsAt)}.`,
      actionDue: toIsoString(endsAt),
      actions: [
        'Find out whether the box runs, and whether it reaches this authority.',
        'Remove the product instance if the box is no more: its licenses go back to the pool.',
      ],
    },
  ]
}

/** A registration renews itself at the half of its year: in its last quarter that has failed for months. */
export const RENEWAL_OVERDUE_WINDOW_MS = IDENTITY_LIFETIME / 4

/** The last of the warnings of terms (30 days): from here on it is grave. */
export const FINAL_WARNING_WINDOW_MS = Math.min(...TERM_WARNING_DAYS) * DAY

/** An instance whose registration is in its last quarter and was not renewed; after its end it must register again (R-REG-6). */
export function computeRenewalAlerts(
  instance: InstanceFacts & { expiresAt: Instant },
  at: Instant,
): AlertDocument[] {
  const { expiresAt } = instance
  const left = expiresAt - at
  if (left > RENEWAL_OVERDUE_WINDOW_MS) return []
  const subject = toAlertSubject(instance)
  return [
    {
      ...subject,
      severity: left <= FINAL_WARNING_WINDOW_MS ? 'major' : 'minor',
      type: 'instance-failed-to-renew',
      message: `${subject.source} has not renewed its registration, which ends at ${toIsoString(expiresAt)}.`,
      actionDue: toIsoString(expiresAt),
      actions: [
        'Renew the registration on the box, once it reaches this authority.',
        'After its end the box must register again, with a new token.',
      ],
    },
  ]
}

/** An instance that showed two histories, and has not registered since. */
export function computeClonedInstanceAlert(instance: InstanceFacts & { at: Instant }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'instance-diverged',
    message: `${subject.source} has two histories since ${toIsoString(instance.at)}: it may have been copied, or restored from a copy.`,
    actionDue: null,
    actions: [
      'Find out which boxes work under this name, and stop those that should not.',
      'Register the right one anew, over the one that is there; or remove the product instance.',
    ],
  }
}

/** A box whose newest authorization is not known to be installed: the larger of both quantities is held (R-SLR-5). */
export function computePendingUpdateAlert(instance: InstanceFacts & { updatedAt: Instant }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'minor',
    type: 'update-not-confirmed',
    message: `The update of ${toIsoString(instance.updatedAt)} for ${subject.source} waits for its confirmation code, and the larger of both quantities is held.`,
    actionDue: null,
    actions: ['Install the newest authorization file on the box, and enter the code that it prints.'],
  }
}

/** Licenses of a term that were reserved for a box, and have ended: the box knows, and nobody else can tell it of new ones. */
export function computeReservedTermAlert(
  instance: InstanceFacts & { tag: string; count: number; endsAt: Instant },
): AlertDocument {
  const { tag, count, endsAt, satellite } = instance
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'reserved-license-expired',
    message: `${count} of ${tag} that were reserved for ${subject.source} ended at ${toIsoString(endsAt)}.`,
    actionDue: toIsoString(endsAt),
    actions: [
      `Order a new term, and update the reservation of the box${satellite === null ? '' : ` at the satellite ${satellite}`}.`,
      'Or take the licenses out of the reservation.',
    ],
  }
}

/** How long it is said that reserved licenses came back. */
export const RETURN_ALERT_WINDOW_MS = 30 * DAY

/** Licenses that were reserved for a box, and are back in their pool. */
export function computeReturnAlert(
  instance: InstanceFacts & {
    endedAt: Instant
    lost: boolean
    licenses: readonly { tag: string; count: number }[]
  },
): AlertDocument {
  const { endedAt, lost, licenses, virtualAccount } = instance
  const subject = toAlertSubject(instance)
  const what = licenses.map(({ tag, count }) => `${count} of ${tag}`).join(', ') || 'The licenses'
  return {
    ...subject,
    severity: 'informational',
    type: 'reserved-licenses-returned',
    message: `${what} that were reserved for ${subject.source} are back in ${virtualAccount} since ${toIsoString(endedAt)}${lost ? ': the box was given up as lost' : ''}.`,
    actionDue: null,
    actions: ['Nothing needs to be done: they may be used again.'],
  }
}

/** A box that is there twice, once with licenses reserved for it: both count until a person has looked. */
export function computeDuplicateAlert(instance: InstanceFacts & { other: string }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'duplicate-licenses',
    message: `${subject.source} is at ${instance.satellite === null ? 'the manager' : `the satellite ${instance.satellite}`} and at ${instance.other}, and its licenses count twice.`,
    actionDue: null,
    actions: ['Find out where the box works, and have it returned or removed at the other place.'],
  }
}
