import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import type { LicenseDocument } from '../inventory/accounts.ts'
import { TERM_WARNING_DAYS } from '../inventory/orders.ts'
import { type Lot } from '../policy.ts'
import { type AlertDocument, type AlertSeverity, type AlertLocation, SEVERITIES } from './alerts.ts'

// Licenses

/** A pool whose instances use, with what is reserved, more than it owns (R-AUTH-2). */
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
        'Or use less, or remove product instances that are no more.',
      ],
    },
  ]
}

/** How long before an end of licenses it is said, and how long after: the first of the warnings of terms (90 days). */
export const TERM_ALERT_WINDOW_MS = Math.max(...TERM_WARNING_DAYS) * DAY

/** The lots of a pool of which some end, or have ended. */
export interface PoolLots extends AlertLocation {
  readonly tag: string
  readonly lots: readonly Lot[]
}

/**
 * What ends of a pool near an instant and was not replaced: by lots that were bought later, within the window before the
 * end, and last beyond it. Each lot replaces others once; the earliest ends are replaced first.
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

/** The closer the end, the graver: 90, 60 and 30 days before it (the warnings of terms). */
function getTermSeverity(left: number): AlertSeverity {
  const come = [...TERM_WARNING_DAYS].sort((a, b) => a - b).findIndex((days) => left <= days * DAY)
  return SEVERITIES[come] ?? 'informational'
}

/** Licenses whose term ends within 90 days, or has ended within as many, and that were not replaced (R-ACC-6). */
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
      actions: [`Order a new term for ${lost} of ${tag}, or see to it that they are not needed any more.`],
    }
  })
}
