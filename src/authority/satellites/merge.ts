import type { Instant } from '../../core/time.ts'
import type { ReportedInstance, SyncRequest, SyncCounts } from '../../protocol/sync-request.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { toReservedIntervals } from '../policy.ts'

/** Creates a function that finds the manager's virtual account for a satellite's virtual account. */
export function createAccountMapper(
  request: SyncRequest,
  virtualAccounts: readonly VirtualAccount[],
): (virtualAccount: string) => string {
  const home = virtualAccounts.find((account) => account.home)?.id ?? ''
  const accountIds = new Map(
    request.virtualAccounts.map(({ name, of }) => [
      name,
      virtualAccounts.find((account) => account.name === of)?.id ?? home,
    ]),
  )
  return (name) => accountIds.get(name) ?? home
}

/**
 * Merges a full report with the known reservations, and keeps the larger quantities. A device may have installed more
 * than its satellite knows after a restore. The larger quantities hold until the satellite has adopted them.
 *
 * @param before the instances known before a full report. Empty for a report of changes
 */
export function mergeKeepingLarger(
  instances: SyncRequest['instances'],
  before: readonly ReportedInstance[],
  at: Instant,
): { instances: SyncRequest['instances']; larger: ReportedInstance[] } {
  const reserved = new Map(
    before.filter(({ kind }) => kind === 'reserved').map((instance) => [instance.id, instance]),
  )
  const larger: ReportedInstance[] = []
  const merged = instances.map((instance) => {
    const other = instance.kind === 'reserved' ? reserved.get(instance.id) : undefined
    if (!other) return instance
    const tags = [...new Set([...instance.licenses, ...other.licenses].map(({ tag }) => tag))].sort()
    const ofTag = (licenses: ReportedInstance['licenses'], tag: string) =>
      licenses.filter((part) => part.tag === tag)
    const held = (...authorizations: ReportedInstance['licenses'][]) =>
      tags.flatMap((tag) =>
        toReservedIntervals(
          authorizations.map((licenses) => ofTag(licenses, tag)),
          at,
        ).map((part) => ({ tag, ...part })),
      )
    const licenses = held(instance.licenses, other.licenses)
    if (JSON.stringify(licenses) === JSON.stringify(held(instance.licenses))) return instance
    larger.push(other)
    return { ...instance, licenses }
  })
  return { instances: merged, larger }
}

/** Returns true if two totals are equal. A tag with a count of 0 is equal to a missing tag. */
export const areTotalsEqual = (a: SyncCounts, b: SyncCounts): boolean => {
  const normalize = ({ registered, reserved, use }: SyncCounts) =>
    JSON.stringify([
      registered,
      reserved,
      use
        .filter(({ count }) => count !== 0)
        .map(({ tag, count }) => [tag, count])
        .sort(),
    ])
  return normalize(a) === normalize(b)
}
