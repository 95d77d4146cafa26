import { DAY, type Instant, iso } from '../../core/time.ts'
import { TERM_WARNINGS } from '../inventory/orders.ts'
import { AUTHORIZATION_LIFE, BACKDATED, IDENTITY_LIFE } from '../policy.ts'
import { type AlertDocument, type Place } from './alerts.ts'

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
export const LAST_DAYS = Math.min(...TERM_WARNINGS) * DAY

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
