import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import type { LicenseDocument } from '../inventory/accounts.ts'
import { TERM_WARNING_DAYS } from '../inventory/orders.ts'
import { type Lot } from '../policy.ts'
import { type AlertDocument, type AlertSeverity, type AlertLocation, SEVERITIES } from './alerts.ts'

// Licenses

/** Returns an alert for a pool whose usage and reservations exceed its purchased licenses (R-AUTH-2). */
export function computePoolAlerts(license: LicenseDocument, satellite: string | null): AlertDocument[] {
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
        'Or use fewer licenses, or remove product instances that no longer exist.',
      ],
    },
  ]
}

/** Duration of the alert before and after the end of licenses: the first term warning (90 days). */
export const TERM_ALERT_WINDOW_MS = Math.max(...TERM_WARNING_DAYS) * DAY

/** The lots of a pool with terms that end or have ended. */
export interface PoolLots extends AlertLocation {
  readonly tag: string
  readonly lots: readonly Lot[]
}

/**
 * Finds the terms that end near an instant without a replacement. A replacement was bought later, starts within the
 * window before the end, and lasts beyond it. Each lot is a replacement once, for the earliest ends first.
 */
function findUnreplacedEnds(
  lots: readonly Lot[],
  at: Instant,
): { endsAt: Instant; quantity: number; lost: number }[] {
  const left = new Map(lots.map((lot) => [lot, lot.quantity]))
  const ends = new Map<Instant, { quantity: number; lost: number }>()
  const ending = lots
    .flatMap((lot) => (lot.endsAt === null ? [] : [{ lot, endsAt: lot.endsAt }]))
    .filter(({ endsAt }) => Math.abs(endsAt - at) <= TERM_ALERT_WINDOW_MS)
    .sort((a, b) => a.endsAt - b.endsAt)
  for (const { lot, endsAt } of ending) {
    let lost = lot.quantity
    for (const other of lots) {
      const replaces =
        other.startsAt > lot.startsAt &&
        other.startsAt >= endsAt - TERM_ALERT_WINDOW_MS &&
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

/** Returns the severity by the time left: 90, 60 and 30 days, as for the term warnings. */
function getTermSeverity(left: number): AlertSeverity {
  const level = [...TERM_WARNING_DAYS].sort((a, b) => a - b).findIndex((days) => left <= days * DAY)
  return SEVERITIES[level] ?? 'informational'
}

/** Returns an alert for licenses whose term ends or ended within 90 days without a replacement (R-ACC-6). */
export function computeTermAlerts(pool: PoolLots, at: Instant): AlertDocument[] {
  const { tag, virtualAccount, satellite } = pool
  return findUnreplacedEnds(pool.lots, at).map(({ endsAt, quantity, lost }) => {
    const over = endsAt <= at
    const rest = lost === quantity ? '' : `, of which ${lost} ${lost === 1 ? 'was' : 'were'} not replaced`
    return {
      severity: over ? 'major' : getTermSeverity(endsAt - at),
      type: over ? 'licenses-expired' : 'licenses-expiring',
      message: `${quantity} of ${tag} in ${virtualAccount} ${over ? 'ended' : 'end'} at ${toIsoString(endsAt)}${rest}.`,
      source: tag,
      virtualAccount,
      instanceId: null,
      satellite,
      actionDue: toIsoString(endsAt),
      actions: [`Order a new term for ${lost} of ${tag}, or reduce the usage.`],
    }
  })
}
