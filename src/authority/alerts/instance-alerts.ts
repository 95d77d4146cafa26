import { formatProfileId, type ProfileId } from '../../core/profile.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { TERM_WARNING_DAYS } from '../inventory/orders.ts'
import { AUTHORIZATION_LIFETIME, BACKDATE_MS, IDENTITY_LIFETIME } from '../policy.ts'
import { type AlertDocument, type AlertLocation } from './alerts.ts'

// Product instances

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
 * Returns an alert for an instance that missed the renewal of its authorization (every 30 days unless the product profile
 * differs). An authorization ends 90 days after it was granted.
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
        'Check that the device runs and can reach this authority.',
        'Remove the product instance if the device no longer exists: its licenses go back to the pool.',
      ],
    },
  ]
}

/** Last quarter of a registration. Renewal is due after half a year, so renewals have failed for months by then. */
export const RENEWAL_OVERDUE_WINDOW_MS = IDENTITY_LIFETIME / 4

/** Window of the last term warning (30 days), in which alerts are major. */
export const FINAL_WARNING_WINDOW_MS = Math.min(...TERM_WARNING_DAYS) * DAY

/** Returns an alert for an instance whose registration is in its last quarter. Without renewal it must register again (R-REG-6). */
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
        'Check that the device can reach this authority, and renew the registration on the device.',
        'If the registration ends, the device must register again with a new token.',
      ],
    },
  ]
}

/** Returns an alert for an instance whose requests did not continue its history, until the device registers again. */
export function computeClonedInstanceAlert(instance: InstanceFacts & { at: Instant }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'instance-diverged',
    message: `${subject.source} sent requests at ${toIsoString(instance.at)} that do not continue its history: its data directory may have been copied, or restored from a copy.`,
    actionDue: null,
    actions: [
      'Find out which devices use this identifier, and stop all but the right one.',
      'Register the right device again with --force, or remove the product instance.',
    ],
  }
}

/** Returns an alert for the instances of a virtual account that use another product profile than the authority. */
export function computeProfileAlert(
  group: AlertLocation & { count: number; profile: ProfileId },
  current: ProfileId,
): AlertDocument {
  const { count, profile, virtualAccount, satellite } = group
  return {
    source: profile.name,
    virtualAccount,
    instanceId: null,
    satellite,
    severity: 'minor',
    type: 'profile-differs',
    message: `${count === 1 ? '1 product instance uses' : `${count} product instances use`} the product profile ${formatProfileId(profile)}, and this authority uses ${formatProfileId(current)}. Tags that only one of them has are not licensed.`,
    actionDue: null,
    actions: [
      'Replace the profile of this authority with `smart-authority profile replace`, or update the devices.',
    ],
  }
}

/** Returns an alert for an instance that was added again after a restore, until an administrator has reviewed it. */
export function computeReviewAlert(instance: InstanceFacts): AlertDocument {
  const subject = { ...toAlertSubject(instance), satellite: null }
  return {
    ...subject,
    severity: 'major',
    type: 'instance-in-review',
    message: `${subject.source} registered before the restore, and was not in the backup.`,
    actionDue: null,
    actions: [
      'Move the instance to its virtual account and confirm it with `instance review`, or remove it.',
    ],
  }
}

/** Returns an alert for an unconfirmed reservation update. The larger of both quantities stays reserved (R-SLR-5). */
export function computePendingUpdateAlert(instance: InstanceFacts & { updatedAt: Instant }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'minor',
    type: 'update-not-confirmed',
    message: `The update of ${toIsoString(instance.updatedAt)} for ${subject.source} waits for its confirmation code, and the larger of both quantities stays reserved.`,
    actionDue: null,
    actions: ['Install the newest authorization file on the device, and enter the code that it prints.'],
  }
}

/** Returns an alert for reserved licenses whose term has ended. Only a new authorization file can renew them on the device. */
export function computeReservedTermAlert(
  instance: InstanceFacts & { tag: string; count: number; endsAt: Instant },
): AlertDocument {
  const { tag, count, endsAt, satellite } = instance
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'reserved-license-expired',
    message: `The term of ${count} of ${tag} reserved for ${subject.source} ended at ${toIsoString(endsAt)}.`,
    actionDue: toIsoString(endsAt),
    actions: [
      `Order a new term, and update the reservation of the device${satellite === null ? '' : ` at the satellite ${satellite}`}.`,
      'Or take the licenses out of the reservation.',
    ],
  }
}

export const RETURN_ALERT_WINDOW_MS = 30 * DAY

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
    message: `${what} that were reserved for ${subject.source} returned to ${virtualAccount} at ${toIsoString(endedAt)}${lost ? ': the device was written off as lost' : ''}.`,
    actionDue: null,
    actions: ['No action is needed. The licenses can be used again.'],
  }
}

/** Returns an alert for a device that exists twice, once with a reservation. Both count until an administrator acts. */
export function computeDuplicateAlert(instance: InstanceFacts & { other: string }): AlertDocument {
  const subject = toAlertSubject(instance)
  return {
    ...subject,
    severity: 'major',
    type: 'duplicate-licenses',
    message: `${subject.source} exists both at ${instance.satellite === null ? 'the manager' : `the satellite ${instance.satellite}`} and at ${instance.other}, and its licenses count twice.`,
    actionDue: null,
    actions: [
      'Find out which authority the device uses. At the other one, return its reservation or remove its product instance.',
    ],
  }
}
