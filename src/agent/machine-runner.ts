import { EventEmitter } from 'node:events'
import {
  initialTransition,
  type Command,
  type Context,
  type Event,
  nextDeadline,
  isFullyFunctional,
  type Periods,
  type AgentSnapshot,
  transition,
  getLicenseState,
} from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import { listChanges } from '../inspection/context-changes.ts'
import type { EvaluationMeter, LicenseClock } from './license-clock.ts'
import { parseState, clockStateSchema, serializeState } from './persisted-state.ts'
import type { AgentLogger } from './logger.ts'
import { type AgentEventName, createAgentEvent, type AgentEvent } from './event-catalog.ts'
import { encodeStatePaths } from './state-paths.ts'
import type { AgentStore } from './store.ts'

/** Transition of the machine. Listeners are called after the transition is on disk. */
export interface Transition {
  readonly at: number
  readonly event: Event
  readonly before: AgentSnapshot
  readonly after: AgentSnapshot
  readonly notices: readonly AgentEvent[]
}

/** Callback that writes further data in the same transaction. */
export type TransactionHook = (store: AgentStore) => void

/** Events of the runner. A `beforeCommit` listener runs in the transaction, and its error aborts the transaction. */
interface RunnerEvents {
  beforeCommit: [after: AgentSnapshot, at: Instant]
  /** Emitted after a rollback. Listeners must reload any cached copy of stored data. */
  rollback: []
  /** Emitted when stored secrets are no longer needed. */
  secretsReleased: []
  transition: [Transition]
  /** Emitted after a transaction is on disk and its transitions were announced. */
  committed: []
}

/**
 * Runs the machine. Each event is one transaction that writes the new state, the history entry and the pending requests.
 * Listeners are notified after the commit.
 */
export class MachineRunner {
  readonly events = new EventEmitter<RunnerEvents>()
  snapshot: AgentSnapshot
  readonly #store: AgentStore
  readonly #clock: LicenseClock
  readonly #meter: EvaluationMeter
  readonly #logger: AgentLogger
  #untrustedReason: string | null
  /** Context after the newest row of the history. Null before the first row of this process. */
  #recorded: Context | null = null
  /** Snapshot after a tick that could not be stored. Null after a stored one. */
  #projected: AgentSnapshot | null = null

  constructor(
    store: AgentStore,
    clock: LicenseClock,
    meter: EvaluationMeter,
    { logger, periods }: { logger: AgentLogger; periods: Periods },
  ) {
    this.#store = store
    this.#clock = clock
    this.#meter = meter
    this.#logger = logger
    this.#untrustedReason = store.read('clock', clockStateSchema)?.distrust ?? null
    // Each caller that waits for an outcome adds a listener.
    this.events.setMaxListeners(0)
    const json = store.readText('facts')
    const stored = json === null ? initialTransition(clock.now(), periods).snapshot : parseState(json)
    // Use the periods of the current profile, not those stored with the state.
    this.snapshot = { ...stored, context: { ...stored.context, periods } }
  }

  /**
   * Returns the snapshot with the time that has passed. It differs from the stored one while the disk takes no writes, because
   * time passes all the same: an evaluation or a registration ends.
   */
  get present(): AgentSnapshot {
    return this.#projected ?? this.snapshot
  }

  #applyTime(seconds: number): AgentSnapshot {
    return transition(this.snapshot, { type: 'clock.tick', at: this.#clock.now(), used: seconds }).snapshot
  }

  /** Applies the time since the last tick to the evaluation period and to all deadlines. */
  tick(): void {
    this.#transact(
      { forceTick: true },
      () => [],
      () => undefined,
    )
  }

  /**
   * Runs work that changes the usage, and applies the changed counts and the elapsed time in the same transaction.
   *
   * @param work receives the snapshot after the tick, and returns the changed counts
   */
  runInTransaction(work: (snapshot: AgentSnapshot) => readonly { tag: string; count: number }[]): void {
    let changes: readonly { tag: string; count: number }[] = []
    this.#transact(
      { forceTick: false },
      () => changes.map((change) => (at: number): Event => ({ type: 'usage.changed', at, ...change })),
      (_, snapshot) => {
        changes = work(snapshot)
      },
    )
  }

  /** Applies the elapsed time and then an event, in one transaction. */
  step(createEvent: (at: number) => Event, hook: TransactionHook = () => undefined): void {
    this.#transact({ forceTick: true }, () => [createEvent], hook)
  }

  #transact(
    /** True to apply a tick even if no evaluation time has passed and no deadline is due. */
    { forceTick }: { forceTick: boolean },
    createEvents: () => readonly ((at: number) => Event)[],
    hook: (store: AgentStore, snapshot: AgentSnapshot) => void,
  ): void {
    const seconds = this.#meter.pendingSeconds()
    const transitions: Transition[] = []
    let { snapshot } = this
    const released: Command[] = []
    const apply = (event: Event) => {
      const { snapshot: after, commands } = transition(snapshot, event)
      transitions.push(this.#record(event, snapshot, after, commands))
      released.push(...commands.filter(({ type }) => type === 'discardSecrets'))
      snapshot = after
    }
    const previousReason = this.#untrustedReason
    const previousRecorded = this.#recorded
    const restoreClock = this.#clock.snapshot()
    try {
      this.#store.commit(() => {
        const now = this.#clock.now()
        const due = nextDeadline(snapshot)
        // A tick changes nothing if no evaluation time has passed and no deadline is due.
        if (forceTick || seconds > 0 || (due !== null && due <= now))
          apply({ type: 'clock.tick', at: now, used: seconds })
        // The hook may correct the clock, so it runs after the tick and before the events.
        hook(this.#store, snapshot)
        for (const createEvent of createEvents()) apply(createEvent(this.#clock.now()))
        this.events.emit('beforeCommit', snapshot, this.#clock.now())
        this.#store.write('facts', serializeState(snapshot))
        this.#store.write('clock', this.#clock.serialize())
      })
    } catch (error) {
      // Restore the clock too, because the transaction that corrected it was rolled back.
      restoreClock()
      this.#untrustedReason = previousReason
      this.#recorded = previousRecorded
      this.events.emit('rollback')
      if (isStoreFailure(error)) this.#projected = this.#applyTime(seconds)
      throw error
    }
    this.#meter.commit(seconds)
    this.#projected = null
    this.snapshot = snapshot
    if (released.length > 0) this.events.emit('secretsReleased')
    for (const transition of transitions) {
      for (const notice of transition.notices) this.#log(notice)
      this.events.emit('transition', transition)
    }
    this.events.emit('committed')
  }

  #record(
    event: Event,
    before: AgentSnapshot,
    after: AgentSnapshot,
    commands: readonly Command[],
  ): Transition {
    const notices = commands.flatMap((command) => this.#persistCommand(command, event.at, after))
    if (this.#clockChanged())
      notices.push(
        createAgentEvent(
          event.at,
          'SYSTEM_CLOCK_CHANGED',
          this.#untrustedReason ?? 'the clock is correct again',
        ),
      )
    const transition = { at: event.at, event, before, after, notices }
    this.#recorded ??= before.context
    const isQuietTick =
      event.type === 'clock.tick' &&
      notices.length === 0 &&
      encodeStatePaths(before) === encodeStatePaths(after)
    if (!isQuietTick) {
      this.#store.history.add({
        at: event.at,
        event: event.type,
        detail: JSON.stringify(toHistoryDetail(event)),
        before: encodeStatePaths(before),
        after: encodeStatePaths(after),
        notices: JSON.stringify(
          notices.map(({ notice, message, severity }) => ({ notice, message, severity })),
        ),
        commands: JSON.stringify(commands.flatMap(describeCommand)),
        changes: JSON.stringify(listChanges(this.#recorded, after.context)),
        evaluationSeconds: after.context.evaluation.remainingSeconds,
        isStateChange:
          getLicenseState(before.value) !== getLicenseState(after.value) ||
          isFullyFunctional(before) !== isFullyFunctional(after),
        isConnectionChange: before.value.connection !== after.value.connection,
      })
      this.#recorded = after.context
    }
    return transition
  }

  /** Stores the effect of a command in the same transaction. Returns the notice of a notice command. */
  #persistCommand(command: Command, at: number, after: AgentSnapshot): AgentEvent[] {
    switch (command.type) {
      case 'request':
        this.#store.commands.removeByKind([command.params.kind])
        this.#store.commands.add(command.params.kind)
        return []
      case 'discardSecrets':
        if (command.params.what === 'registering') {
          this.#store.remove('registering')
          this.#store.commands.removeByKind(['register'])
        } else {
          this.#store.remove('identity')
          this.#store.remove('outstanding')
          this.#store.commands.removeByKind(['authorize', 'renew', 'acknowledge', 'deregister'])
        }
        return []
      case 'notice':
        return [createAgentEvent(at, command.params.notice, toNoticeDetail(command.params, after))]
    }
  }

  #clockChanged(): boolean {
    const { reason } = this.#clock.trustStatus()
    if (reason === this.#untrustedReason) return false
    this.#untrustedReason = reason
    return true
  }

  #log(notice: AgentEvent): void {
    const fields = { event: notice.notice, at: new Date(notice.at).toISOString() }
    const level = notice.severity === 3 ? 'error' : notice.severity === 4 ? 'warn' : 'info'
    try {
      this.#logger[level](`%SMART_LIC-${notice.severity}-${notice.notice}: ${notice.message}`, fields)
    } catch {
      // An error of the embedder's logger must not stop the agent. The history contains the notice.
    }
  }

  /** Logs a notice that does not come from the machine, and stores it in the history. */
  recordNotice(notice: AgentEventName, detail?: string): void {
    const record = createAgentEvent(this.#clock.now(), notice, detail)
    const statePaths = encodeStatePaths(this.snapshot)
    this.#store.commit(() => {
      this.#store.history.add({
        at: record.at,
        event: notice,
        detail: '{}',
        before: statePaths,
        after: statePaths,
        notices: JSON.stringify([{ notice, message: record.message, severity: record.severity }]),
        commands: '[]',
        changes: '[]',
        evaluationSeconds: this.snapshot.context.evaluation.remainingSeconds,
        isStateChange: false,
        isConnectionChange: false,
      })
    })
    this.#log(record)
  }
}

const toNoticeDetail = (
  params: { notice: AgentEventName; detail?: string },
  after: AgentSnapshot,
): string | undefined =>
  params.notice === 'EXPORT_CONTROLLED'
    ? after.context.registration?.exportControlled
      ? 'allowed'
      : 'not allowed'
    : params.detail

/** Describes a command for the history. Notices have a column of their own. */
const describeCommand = (command: Command): string[] => {
  switch (command.type) {
    case 'request':
      return [`request ${command.params.kind}`]
    case 'discardSecrets':
      return [`discard the secrets of the ${command.params.what === 'identity' ? 'registration' : 'attempt'}`]
    case 'notice':
      return []
  }
}

/** Checks whether an error came from the disk, so that the work would have been done otherwise. */
const isStoreFailure = (error: unknown): boolean =>
  error instanceof LicensingError && error.code.startsWith('STORE_')

/** Returns the payload of an event for the history. Only reservation events contain secrets. */
export function toHistoryDetail(event: Event): object {
  switch (event.type) {
    case 'clock.tick':
    case 'registration.end':
    case 'authorization.renew':
    case 'registration.renew':
    // Codes are secret, so the history omits them.
    case 'reservation.request':
    case 'reservation.cancel':
    case 'reservation.return-code':
    case 'reservation.return':
      return {}
    case 'reservation.discard':
      return { reservationId: event.returned.reservationId }
    case 'reservation.install':
    case 'reservation.update': {
      const { reservationId, sequence, licenses } = event.grant
      return {
        reservationId,
        sequence,
        licenses: licenses.map(({ tag, count, endsAt }) => ({ tag, count, endsAt })),
      }
    }
    default: {
      const { type: _type, at: _at, ...rest } = event
      return rest
    }
  }
}
