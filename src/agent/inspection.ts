import type { AgentSnapshot } from '../../machines/index.ts'
import { isFullyFunctional } from '../../machines/index.ts'
import { notFoundError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { type ContextChange, omitCodes, rewindContext } from '../inspection/context-changes.ts'
import type { AgentCore } from './agent-core.ts'
import { InspectionFeed } from './inspection-feed.ts'
import type { ExchangeRow } from './exchange-table.ts'
import type { EventCounts, HistoryRow } from './history-table.ts'
import { decodeStatePaths, type StatePaths, toStateValue } from './state-paths.ts'

/** Snapshot of the machine after a transition, without codes. */
export interface PastSnapshot {
  /** Id of the transition. 0 for the present. */
  readonly id: number
  readonly at: Instant
  readonly snapshot: AgentSnapshot
}

/** Changes of the license state and of the connection since the stored history begins. */
export interface StateChanges {
  readonly start: { readonly at: Instant; readonly states: StatePaths }
  readonly changes: readonly (HistoryRow & { readonly since: EventCounts })[]
  readonly connection: readonly { readonly at: Instant; readonly state: StatePaths['connection'] }[]
  /** Number of stored transitions. */
  readonly events: number
}

const MAX_CHANGES = 2000
const NO_EVENTS: EventCounts = { events: 0, answered: 0, unanswered: 0 }

/** Reads the stored past of an agent: transitions, changes of the state, snapshots and exchanges. Changes nothing. */
export class Inspection {
  readonly #core: AgentCore
  /** Feed of inspectors that follow the machine. */
  readonly feed: InspectionFeed

  constructor(core: AgentCore) {
    this.#core = core
    this.feed = new InspectionFeed(core)
  }

  /** Returns the newest transitions between two ids, both excluded, oldest first. */
  listTransitions(options: { limit: number; after?: number; before?: number }): HistoryRow[] {
    const { limit, after, before } = options
    return this.#history.list(limit, after, before)
  }

  /** Returns the number of stored transitions. */
  countTransitions(): number {
    return this.#history.count()
  }

  /** Returns the changes of the state, with the events between them, and those of the connection. */
  listStateChanges(): StateChanges {
    const history = this.#history
    const counts = history.countBetweenStateChanges()
    const first = history.findFirst()
    const { snapshot, clock } = { snapshot: this.#core.runner.snapshot, clock: this.#core.clock }
    return {
      start: first
        ? { at: first.at, states: decodeStatePaths(first.before) }
        : { at: clock.now(), states: decodeStatePaths(snapshot) },
      changes: history
        .listStateChanges(MAX_CHANGES)
        .map((row) => ({ ...row, since: counts.get(row.id) ?? NO_EVENTS })),
      connection: history
        .listConnectionChanges(MAX_CHANGES)
        .map(({ at, after }) => ({ at, state: decodeStatePaths(after).connection })),
      events: history.count(),
    }
  }

  /**
   * Returns the snapshot after a stored transition, or the present one for 0. It is computed from the present context and
   * the changes of all later transitions.
   *
   * @throws LicensingError NOT_FOUND
   */
  readSnapshot(id = 0): PastSnapshot {
    const { snapshot } = this.#core.runner
    if (id === 0) return { id, at: this.#core.clock.now(), snapshot: omitCodes(snapshot) }
    const [row, ...later] = this.#history.list(Number.MAX_SAFE_INTEGER, id - 1)
    if (row?.id !== id) throw notFoundError('transition', `The history has no transition ${id}.`)
    const context = rewindContext(
      snapshot.context,
      later.map(({ changes }) => JSON.parse(changes) as ContextChange[]),
    )
    const evaluation = { ...context.evaluation, remainingSeconds: row.evaluationSeconds }
    return {
      id,
      at: row.at,
      snapshot: omitCodes({
        value: toStateValue(decodeStatePaths(row.after)),
        context: { ...context, evaluation },
      }),
    }
  }

  /** Returns the newest exchanges with the authority, newest first. */
  listExchanges(limit = 50): ExchangeRow[] {
    return this.#core.store.exchanges.list(limit)
  }

  get #history() {
    return this.#core.store.history
  }
}

/** Returns true if all features may be used after a transition. */
export const isFullAfter = (row: Pick<HistoryRow, 'after'>): boolean =>
  isFullyFunctional({ value: toStateValue(decodeStatePaths(row.after)) })
