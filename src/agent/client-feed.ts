import { z } from 'zod'
import { getLicenseState } from '../../machines/index.ts'
import type { AgentCore } from './agent-core.ts'
import type { HistoryRow } from './history-table.ts'
import type { ModuleSlot } from './module-slot.ts'
import type { Status, StatusReader } from './status.ts'
import { getPolicyDeadline, policyDocumentSchema, type UsagePolicyCache } from './usage-policy.ts'

const historyRowSchema = z.object({
  id: z.number(),
  at: z.number(),
  event: z.string(),
  detail: z.string(),
  before: z.string(),
  after: z.string(),
  notices: z.string(),
  commands: z.string(),
  changes: z.string(),
  evaluationSeconds: z.number(),
}) satisfies z.ZodType<HistoryRow>

/** State of an agent, as sent to clients in other processes at the beginning and after each change. */
export const clientUpdateSchema = z.object({
  status: z.custom<Status>((value) => typeof value === 'object' && value !== null && 'state' in value),
  policy: policyDocumentSchema,
  /** Milliseconds for which the policy may be used without the agent. Null if only license management is allowed. */
  policyLifetimeMs: z.number().nullable(),
  /** True if listeners of `state` are to be called. */
  isStateChange: z.boolean(),
  /** Id of the newest row of the history. */
  lastRow: z.number(),
  /** New rows of the history, oldest first. */
  rows: z.array(historyRowSchema),
})
export type ClientUpdate = z.infer<typeof clientUpdateSchema>

/** Maximum number of missed rows that a client receives when it connects again. */
const MAX_MISSED_ROWS = 200

/** Announces the state of an agent to clients in other processes. Each change is serialized once for all clients. */
export class ClientFeed {
  readonly #core: AgentCore
  readonly #policies: UsagePolicyCache
  readonly #module: ModuleSlot<unknown, object>
  readonly #readStatus: StatusReader
  readonly #listeners = new Set<(updateJson: string) => void>()
  #lastRow = 0
  #isStateChange = false

  constructor(
    core: AgentCore,
    policies: UsagePolicyCache,
    module: ModuleSlot<unknown, object>,
    readStatus: StatusReader,
  ) {
    this.#core = core
    this.#policies = policies
    this.#module = module
    this.#readStatus = readStatus
    core.runner.events.on('transition', ({ event, before, after }) => {
      this.#isStateChange ||=
        event.type !== 'clock.tick' || getLicenseState(before.value) !== getLicenseState(after.value)
    })
    core.runner.events.on('committed', () => {
      this.#announce()
    })
  }

  /**
   * Calls the listener with the JSON of an update after each change.
   *
   * @param after newest row of the history that the client knows; null for a new client
   * @returns the current state with the rows that the client missed, and a function that ends the subscription
   */
  subscribe(
    after: number | null,
    listener: (updateJson: string) => void,
  ): { update: ClientUpdate; stop: () => void } {
    const { history } = this.#core.store
    if (this.#listeners.size === 0) this.#lastRow = history.list(1)[0]?.id ?? 0
    const rows = after === null ? [] : history.list(MAX_MISSED_ROWS, after)
    this.#listeners.add(listener)
    return {
      // A client that connects again may have missed a change.
      update: this.#createUpdate(rows, after !== null),
      stop: () => this.#listeners.delete(listener),
    }
  }

  #announce(): void {
    const isStateChange = this.#isStateChange
    this.#isStateChange = false
    if (this.#listeners.size === 0) return
    const rows = this.#core.store.history.list(MAX_MISSED_ROWS, this.#lastRow)
    this.#lastRow = rows.at(-1)?.id ?? this.#lastRow
    const update = JSON.stringify(this.#createUpdate(rows, isStateChange))
    for (const listener of this.#listeners) listener(update)
  }

  #createUpdate(rows: HistoryRow[], isStateChange: boolean): ClientUpdate {
    const { runner, clock } = this.#core
    const now = clock.now()
    const { restrictionReason, denied } = this.#policies.get(runner.present, () => now)
    const deadline = getPolicyDeadline(runner.present, now)
    return {
      status: this.#readStatus(),
      policy: {
        restrictionReason,
        denied: [...(denied ? [denied] : []), ...this.#module.deniedActions()].map(({ actions, reason }) => ({
          actions: [...actions],
          reason,
        })),
      },
      policyLifetimeMs: deadline === null ? null : Math.max(0, deadline - now),
      isStateChange,
      lastRow: this.#lastRow,
      rows,
    }
  }
}
