import { getMicrosteps } from 'xstate'
import {
  agentMachine,
  type AgentSnapshot,
  type Context,
  type Event,
  exportConfig,
  toMachineSnapshot,
} from '../../machines/index.ts'
import type { Instant } from '../core/time.ts'
import { type ContextChange, omitCodes, revertChanges } from '../inspection/context-changes.ts'
import type { AgentCore } from './agent-core.ts'
import type { HistoryRow } from './history-table.ts'
import { toHistoryDetail, type Transition } from './machine-runner.ts'
import { decodeStatePaths, toStateValue } from './state-paths.ts'

/** Snapshot of the machine for inspectors, as XState persists snapshots. Secrets are left out. */
export interface InspectedSnapshot {
  readonly status: 'active'
  readonly value: AgentSnapshot['value']
  readonly context: object
  readonly children: Readonly<Record<string, never>>
  readonly historyValue: Readonly<Record<string, never>>
  readonly tags: readonly string[]
}

/** Event of the machine for inspectors, with its payload. Codes are empty. */
export interface InspectedEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * Receiver of what happens in the machine. The inspectors of `@statelyai/inspect` have this interface, such as the result of
 * `createWebSocketInspector`.
 */
export interface MachineInspector {
  actor(id: string, snapshot: InspectedSnapshot, info: { readonly definition: string }): void
  event(id: string, event: InspectedEvent): void
  snapshot(id: string, snapshot: InspectedSnapshot, info: { readonly event: InspectedEvent }): void
}

/** Message to an inspector. Messages have an order. */
export type InspectionFrame =
  | { readonly kind: 'actor'; readonly at: Instant; readonly snapshot: InspectedSnapshot }
  | { readonly kind: 'event'; readonly at: Instant; readonly event: InspectedEvent }
  | {
      readonly kind: 'microstep' | 'snapshot'
      readonly at: Instant
      readonly event: InspectedEvent
      readonly snapshot: InspectedSnapshot
    }

/** Definition of the machine for inspectors: states and transitions, without the initial context. */
export const inspectedDefinition = (): string => {
  const { context: _context, ...definition } = exportConfig()
  return JSON.stringify(definition)
}

/** Number of past transitions that a new inspector receives. */
const MAX_PAST = 80

/** Tells inspectors what happens in the machine of an agent, and what has happened before they came. */
export class InspectionFeed {
  readonly #core: AgentCore
  /** Session of the device's machine, the same in each process and after each start. */
  readonly id: string

  constructor(core: AgentCore) {
    this.#core = core
    const { pid, serial } = core.device.product
    this.id = `smart-agent ${pid} ${serial}`
  }

  /** Returns the machine as it was some transitions ago, and those transitions. */
  past(): InspectionFrame[] {
    const rows = this.#core.store.history.list(MAX_PAST)
    const [first] = rows
    const present = this.#core.runner.snapshot
    if (!first) return [{ kind: 'actor', at: this.#core.clock.now(), snapshot: toInspected(present) }]
    const snapshots = listPastSnapshots(present, rows)
    return [
      { kind: 'actor', at: first.at, snapshot: toInspected(snapshots[0] ?? present) },
      ...rows.flatMap((row, i): InspectionFrame[] => {
        const event = redactPayload({
          type: row.event,
          at: row.at,
          ...(JSON.parse(row.detail) as object),
        })
        const snapshot = toInspected(snapshots[i + 1] ?? present)
        return [
          { kind: 'event', at: row.at, event },
          { kind: 'snapshot', at: row.at, event, snapshot },
        ]
      }),
    ]
  }

  /**
   * Calls a listener after each transition, with a function that computes its frames. Returns a function that stops. A server
   * without viewers computes none.
   */
  follow(listener: (listFrames: () => readonly InspectionFrame[]) => void): () => void {
    const onTransition = (transition: Transition) => {
      listener(() => toFrames(transition))
    }
    this.#core.runner.events.on('transition', onTransition)
    return () => {
      this.#core.runner.events.off('transition', onTransition)
    }
  }

  /** Tells an inspector the past and the future. An inspector that fails is logged, and disturbs nothing. */
  attach(inspector: MachineInspector): void {
    const tell = (listFrames: () => readonly InspectionFrame[]) => {
      try {
        for (const frame of listFrames()) this.#tell(inspector, frame)
      } catch (error) {
        this.#core.logger.error('an inspector failed', { reason: String(error) })
      }
    }
    tell(() => this.past())
    this.follow(tell)
  }

  #tell(inspector: MachineInspector, frame: InspectionFrame): void {
    switch (frame.kind) {
      case 'actor':
        inspector.actor(this.id, frame.snapshot, { definition: inspectedDefinition() })
        break
      case 'event':
        inspector.event(this.id, frame.event)
        break
      case 'snapshot':
        inspector.snapshot(this.id, frame.snapshot, { event: frame.event })
        break
      // Inspectors of @statelyai/inspect have no method for microsteps.
      case 'microstep':
        break
    }
  }
}

/** Returns the snapshot before the first row, and the one after each row. */
function listPastSnapshots(present: AgentSnapshot, rows: readonly HistoryRow[]): AgentSnapshot[] {
  const [first] = rows
  if (!first) return [present]
  let { context } = present
  const snapshots: AgentSnapshot[] = []
  for (const row of rows.toReversed()) {
    const evaluation = { ...context.evaluation, remainingSeconds: row.evaluationSeconds }
    snapshots.push({ value: toStateValue(decodeStatePaths(row.after)), context: { ...context, evaluation } })
    context = revertChanges(context, JSON.parse(row.changes) as ContextChange[])
  }
  snapshots.push({ value: toStateValue(decodeStatePaths(first.before)), context })
  return snapshots.reverse()
}

function toFrames({ at, event, before, after }: Transition): InspectionFrame[] {
  const inspected = toInspectedEvent(event)
  const microsteps = listMicrosteps(before, event)
  return [
    { kind: 'event', at, event: inspected },
    // The last microstep is the snapshot.
    ...microsteps
      .slice(0, -1)
      .map((snapshot): InspectionFrame => ({ kind: 'microstep', at, event: inspected, snapshot })),
    { kind: 'snapshot', at, event: inspected, snapshot: toInspected(after) },
  ]
}

const listMicrosteps = (before: AgentSnapshot, event: Event): InspectedSnapshot[] =>
  getMicrosteps(agentMachine, toMachineSnapshot(before), event).map(([{ value, context }]) =>
    toInspected({ value, context }),
  )

const toInspectedEvent = (event: Event): InspectedEvent =>
  redactPayload({ type: event.type, at: event.at, ...toHistoryDetail(event) })

/** Fields that name a customer. An inspector may be a page of a third party. */
const NAMES: ReadonlySet<string> = new Set(['smartAccount', 'virtualAccount', 'instanceId', 'reservationId'])

function redactPayload(event: InspectedEvent): InspectedEvent {
  const redacted = JSON.stringify(event, (key, value: unknown) => (NAMES.has(key) ? 'redacted' : value))
  return JSON.parse(redacted) as InspectedEvent
}

const toInspected = (snapshot: AgentSnapshot): InspectedSnapshot => ({
  status: 'active',
  value: snapshot.value,
  context: redactContext(snapshot.context),
  children: {},
  historyValue: {},
  tags: [...toMachineSnapshot(snapshot).tags],
})

/** Returns the public part of the context. Fields are listed one by one, so that a new field stays hidden. */
const redactContext = (context: Context) => ({
  evaluation: context.evaluation,
  registration: context.registration && {
    registeredAt: context.registration.registeredAt,
    expiresAt: context.registration.expiresAt,
  },
  registering: context.registering && {
    failures: context.registering.failures,
    nextAttemptAt: context.registering.nextAttemptAt,
  },
  renewal: { nextAt: context.renewal.nextAt, failures: context.renewal.failures },
  authorization: {
    since: context.authorization.since,
    nextAttemptAt: context.authorization.nextAttemptAt,
    deadlineAt: context.authorization.deadlineAt,
    failures: context.authorization.failures,
    entitlements: context.authorization.entitlements.map(({ tag, count, status }) => ({
      tag,
      count,
      status,
    })),
  },
  usage: context.usage,
  reservation: {
    requests: context.reservation.requests,
    licenses: omitCodes(
      context.reservation.current?.grant?.licenses.map(({ tag, count, endsAt }) => ({
        tag,
        count,
        endsAt,
      })) ?? [],
    ),
  },
  lastFailure: context.lastFailure && { code: context.lastFailure.code, at: context.lastFailure.at },
})
