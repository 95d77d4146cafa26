import type { Instant } from '../src/core/time.ts'
import type { SmartAgent } from '../src/index.ts'
import { toTransitionDocument } from '../src/agent/inspection-documents.ts'
import type { MockRequest } from './authority-parts.ts'
import type { TimelineEntry } from './timeline.ts'

/** Change of the faults of a test bed. */
export interface FaultChange {
  readonly at: Instant
  readonly faults: readonly string[]
}

const MAX_ROWS = 10_000

/** Lists what happened in a test bed, oldest first. */
export function listTimeline(
  agent: Pick<SmartAgent, 'history'>,
  requests: readonly MockRequest[],
  faultChanges: readonly FaultChange[],
): TimelineEntry[] {
  const transitions = agent.history(MAX_ROWS).flatMap((row): TimelineEntry[] => {
    const { before, after, event, notices } = toTransitionDocument(row)
    const { at } = row
    return [
      ...(event === 'clock.tick' ? [] : [{ at, kind: 'event' as const, text: event }]),
      ...(before.state === after.state
        ? []
        : [{ at, kind: 'state' as const, text: `${before.state} → ${after.state}` }]),
      ...notices.map(({ notice, message }) => ({
        at,
        kind: 'notice' as const,
        text: `${notice}: ${message}`,
      })),
    ]
  })
  const exchanges = requests.map(({ at, type, fault, status }): TimelineEntry => ({
    at,
    kind: 'request',
    text: `${type} → ${status ?? 'no answer'}${fault === null ? '' : ` (${fault})`}`,
  }))
  const faults = faultChanges.map(({ at, faults }): TimelineEntry => ({
    at,
    kind: 'fault',
    text: faults.length === 0 ? 'none' : faults.join(', '),
  }))
  // Entries of one instant keep their order within each list: faults, requests, and then what the agent made of them.
  return [...faults, ...exchanges, ...transitions].toSorted((a, b) => a.at - b.at)
}
