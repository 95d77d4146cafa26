import type { Instant } from '../../core/time.ts'
import type { ReportedInstance, SyncRequest, SyncCounts } from '../../protocol/sync-request.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { toReservedIntervals } from '../policy.ts'

/** Finds the manager's virtual account that one of the satellite's counts for. */
export function createAccountMapper(
  request: SyncRequest,
  virtualAccounts: readonly VirtualAccount[],
): (virtualAccount: string) => string {
  const home = virtualAccounts.find((one) => one.home)?.id ?? ''
  const accountIds = new Map(
    request.virtualAccounts.map(({ name, of }) => [
      name,
      virtualAccounts.find((one) => one.name === of)?.id ?? home,
    ]),
  )
  return (name) => accountIds.get(name) ?? home
}

/**
 * What a box may have installed since a backup is not less than what was reported then: of each reservation the larger is
 * held, until the satellite has heard of it.
 *
 * @param before what was known before a full report; nothing for a report of what has changed
 */
export function mergeKeepingLarger(
  instances: SyncRequest['instances'],
  before: readonly ReportedInstance[],
  at: Instant,
): { instances: SyncRequest['instances']; larger: ReportedInstance[] } {
  const reserved = new Map(before.filter(({ kind }) => kind === 'reserved').map((one) => [one.id, one]))
  const larger: ReportedInstance[] = []
  const merged = instances.map((one) => {
    const other = one.kind === 'reserved' ? reserved.get(one.id) : undefined
    if (!other) return one
    const tags = [...new Set([...one.licenses, ...other.licenses].map(({ tag }) => tag))].sort()
    const of = (licenses: ReportedInstance['licenses'], tag: string) =>
      licenses.filter((part) => part.tag === tag)
    const held = (...authorizations: ReportedInstance['licenses'][]) =>
      tags.flatMap((tag) =>
        toReservedIntervals(
          authorizations.map((licenses) => of(licenses, tag)),
          at,
        ).map((part) => ({ tag, ...part })),
      )
    const licenses = held(one.licenses, other.licenses)
    if (JSON.stringify(licenses) === JSON.stringify(held(one.licenses))) return one
    larger.push(other)
    return { ...one, licenses }
  })
  return { instances: merged, larger }
}

/** Whether two sums are the same; a tag of which nothing is in use is as good as none. */
export const areTotalsEqual = (a: SyncCounts, b: SyncCounts): boolean => {
  const plain = ({ registered, reserved, use }: SyncCounts) =>
    JSON.stringify([
      registered,
      reserved,
      use
        .filter(({ count }) => count !== 0)
        .map(({ tag, count }) => [tag, count])
        .sort(),
    ])
  return plain(a) === plain(b)
}
