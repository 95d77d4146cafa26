import {
  getInitialSyncSnapshot,
  syncTransition,
  type SyncEvent,
  type SyncSchedule,
} from '../../machines/index.ts'

// Events of a satellite, and histories of them.

export const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const START = Date.parse('2027-01-01T00:00:00Z')
export const reason = { code: 'CONNECTION_REFUSED', message: 'no route', remedy: 'wait' }
export const daily: SyncSchedule = { every: 'day', hour: 3 }

export const createTerms = (at: number) => ({
  answeredAt: at,
  warnAt: at + 30 * DAY,
  restrictAt: at + 90 * DAY,
  automaticUntil: at + 180 * DAY,
})
export const answered = (at: number): SyncEvent => ({ type: 'sync.answered', at, terms: createTerms(at) })
export const unreachable = (at: number): SyncEvent => ({
  type: 'sync.unreachable',
  at,
  reason,
  jitter: 0.5,
  retryAfter: null,
})
export const refused = (at: number, ended: boolean, offlineOnly: boolean): SyncEvent => ({
  type: 'sync.refused',
  at,
  reason,
  ended,
  offlineOnly,
})

/** Runs events from the initial state. Returns the commands of all transitions. */
export function runHistory(schedule: SyncSchedule | undefined, events: readonly SyncEvent[]) {
  let position = getInitialSyncSnapshot({ jitter: 0.25, at: START, ...(schedule && { schedule }) })
  const said: string[] = []
  for (const event of events) {
    const step = syncTransition(position, event)
    position = step.snapshot
    said.push(...step.commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type)))
  }
  return { position, said }
}
