import { toIsoString } from '../core/time.ts'
import { describeEvent } from './event-catalog.ts'
import type { ExchangeRow } from './exchange-table.ts'
import type { HistoryRow } from './history-table.ts'
import { isFullAfter, type StateChanges } from './inspection.ts'
import { decodeStatePaths } from './state-paths.ts'

type Notices = { notice: string; message: string; severity: number }[]
type Changes = { path: string; before: unknown; after: unknown }[]

/** Returns a stored transition in the form of the API. */
export const toTransitionDocument = (row: HistoryRow) => ({
  id: row.id,
  at: toIsoString(row.at),
  event: row.event,
  inWords: describeEvent(row.event),
  payload: JSON.parse(row.detail) as Record<string, unknown>,
  before: decodeStatePaths(row.before),
  after: decodeStatePaths(row.after),
  notices: JSON.parse(row.notices) as Notices,
  commands: JSON.parse(row.commands) as string[],
  changes: JSON.parse(row.changes) as Changes,
  evaluationSeconds: row.evaluationSeconds,
})

/** Returns the changes of the state in the form of the API. */
export const toStateChangesDocument = ({ start, changes, connection, events }: StateChanges) => ({
  start: {
    at: toIsoString(start.at),
    state: start.states.state,
    full: isFullAfter({ after: JSON.stringify(start.states) }),
  },
  changes: changes.map((row) => ({
    id: row.id,
    at: toIsoString(row.at),
    event: row.event,
    inWords: describeEvent(row.event),
    from: decodeStatePaths(row.before).state,
    to: decodeStatePaths(row.after).state,
    full: isFullAfter(row),
    notices: JSON.parse(row.notices) as Notices,
    since: row.since,
  })),
  connection: connection.map(({ at, state }) => ({ at: toIsoString(at), state })),
  events,
})

/** Returns an exchange in the form of the API. */
export const toExchangeDocument = ({ at, failure, route, ...row }: ExchangeRow) => {
  const { synchronizedAt, ...path } = route
  return {
    ...row,
    at: toIsoString(at),
    code: failure?.code ?? null,
    message: failure?.message ?? null,
    remedy: failure?.remedy ?? null,
    route: path,
    steps: [...row.steps],
    synchronizedAt,
  }
}
