import { beginSync, stepSync, type SyncEvent, type SyncSchedule } from '../../machines/index.ts'

/** Events as a satellite meets them, and histories of them. */

export const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const START = Date.parse('2027-01-01T00:00:00Z')
export const reason = { code: 'CONNECTION_REFUSED', message: 'no road', remedy: 'wait' }
export const daily: SyncSchedule = { every: 'day', hour: 3 }

export const termsAt = (at: number) => ({
  answeredAt: at,
  warnAt: at + 30 * DAY,
  restrictAt: at + 90 * DAY,
  automaticUntil: at + 180 * DAY,
})
export const answered = (at: number): SyncEvent => ({ type: 'ANSWERED', at, terms: termsAt(at) })
export const unreachable = (at: number): SyncEvent => ({
  type: 'UNREACHABLE',
  at,
  reason,
  jitter: 0.5,
  retryAfter: null,
})
export const refused = (at: number, ended: boolean, byHand: boolean): SyncEvent => ({
  type: 'REFUSED',
  at,
  reason,
  ended,
  byHand,
})

/** A history from the beginning: what the chart said on the way. */
export function history(schedule: SyncSchedule | undefined, events: readonly SyncEvent[]) {
  let position = beginSync({ jitter: 0.25, at: START, ...(schedule && { schedule }) })
  const said: string[] = []
  for (const event of events) {
    const step = stepSync(position, event)
    position = step.position
    said.push(...step.commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type)))
  }
  return { position, said }
}
