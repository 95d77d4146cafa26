import { EventEmitter } from 'node:events'
import {
  toRegionPath,
  initialTransition,
  type Command,
  type Event,
  nextDeadline,
  type Periods,
  type AgentSnapshot,
  transition,
  getLicenseState,
} from '../../machines/index.ts'
import type { Instant } from '../core/time.ts'
import type { EvaluationMeter, LicenseClock } from './license-clock.ts'
import { parseState, clockStateSchema, serializeState } from './persisted-state.ts'
import type { AgentLogger } from './logger.ts'
import { type AgentEventName, createAgentEvent, type AgentEvent } from './event-catalog.ts'
import type { AgentStore } from './store.ts'

/** One transition of the machine. Listeners receive it once it is on disk. */
export interface Transition {
  readonly at: number
  readonly event: Event
  readonly before: AgentSnapshot
  readonly after: AgentSnapshot
  readonly notices: readonly AgentEvent[]
}

/** Something beside the machine that has to be written in the same transaction. */
export type TransactionHook = (store: AgentStore) => void

/** What the runner says of its transactions. Listeners of `beforeCommit` are a part of the transaction: what they throw ends it. */
interface RunnerEvents {
  beforeCommit: [after: AgentSnapshot, at: Instant]
  /** The transaction was not kept: whoever holds a copy of what is on disk reads it again. */
  rollback: []
  /** Secrets that were kept for a purpose are not needed any more. */
  secretsReleased: []
  transition: [Transition]
  /** A transaction is on disk, and its transitions were announced. */
  committed: []
}

/**
 * Runs the machine: one event is one transaction that holds the new state, the event, and the requests that are not done yet.
 * Nothing is announced before it is on disk.
 */
export class MachineRunner {
  readonly events = new EventEmitter<RunnerEvents>()
  snapshot: AgentSnapshot
  readonly #store: AgentStore
  readonly #clock: LicenseClock
  readonly #meter: EvaluationMeter
  readonly #logger: AgentLogger
  #untrustedReason: string | null

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
    // Every caller that waits for an outcome listens for a while.
    this.events.setMaxListeners(0)
    const facts = store.readText('facts')
    const stored = facts === null ? initialTransition(clock.now(), periods).snapshot : parseState(facts)
    // The periods are those of the profile of today, not of the day the state was written.
    this.snapshot = { ...stored, context: { ...stored.context, periods } }
  }

  /** Applies the time that passed since the last event: to the evaluation, and to every deadline. */
  tick(): void {
    this.#transact(
      { always: true },
      () => [],
      () => undefined,
    )
  }

  /**
   * Runs work that changes what is in use, and applies the counts that come of it: in one transaction, with the time that passed.
   *
   * @param work receives the state after that time, and returns the counts that changed
   */
  runInTransaction(work: (snapshot: AgentSnapshot) => readonly { tag: string; count: number }[]): void {
    let changes: readonly { tag: string; count: number }[] = []
    this.#transact(
      { always: false },
      () => changes.map((change) => (at: number): Event => ({ type: 'usage.changed', at, ...change })),
      (_, snapshot) => {
        changes = work(snapshot)
      },
    )
  }

  /** Applies the time that passed, then an event: in one transaction. */
  step(createEvent: (at: number) => Event, hook: TransactionHook = () => undefined): void {
    this.#transact({ always: true }, () => [createEvent], hook)
  }

  #transact(
    /** Whether a tick is applied although no time is charged and nothing is due. */
    { always }: { always: boolean },
    createEvents: () => readonly ((at: number) => Event)[],
    hook: (store: AgentStore, snapshot: AgentSnapshot) => void,
  ): void {
    const seconds = this.#meter.pendingSeconds()
    const transitions: Transition[] = []
    let { snapshot: position } = this
    const released: Command[] = []
    const apply = (event: Event) => {
      const { snapshot: after, commands } = transition(position, event)
      transitions.push(this.#record(event, position, after, commands))
      released.push(...commands.filter(({ type }) => type === 'discardSecrets'))
      position = after
    }
    const distrust = this.#untrustedReason
    const restoreClock = this.#clock.snapshot()
    try {
      this.#store.commit(() => {
        const now = this.#clock.now()
        const due = nextDeadline(position)
        // A tick in which nothing was used and nothing is due changes nothing.
        if (always || seconds > 0 || (due !== null && due <= now))
          apply({ type: 'tick', at: now, used: seconds })
        // A correction of the clock belongs to the event that brought it, not to the time that passed before.
        hook(this.#store, position)
        for (const createEvent of createEvents()) apply(createEvent(this.#clock.now()))
        this.events.emit('beforeCommit', position, this.#clock.now())
        this.#store.write('facts', serializeState(position))
        this.#store.write('clock', this.#clock.serialize())
      })
    } catch (error) {
      // What is not on disk was not learned either: it is learned again, from the same clock, with the next attempt.
      restoreClock()
      this.#untrustedReason = distrust
      this.events.emit('rollback')
      throw error
    }
    this.#meter.commit(seconds)
    this.snapshot = position
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
        createAgentEvent(event.at, 'SYSTEM_CLOCK_CHANGED', this.#untrustedReason ?? 'it is right again'),
      )
    const transition = { at: event.at, event, before, after, notices }
    const quiet =
      event.type === 'tick' && notices.length === 0 && encodeStatePaths(before) === encodeStatePaths(after)
    if (!quiet) {
      this.#store.listHistory.add({
        at: event.at,
        event: event.type,
        detail: JSON.stringify(toHistoryDetail(event)),
        before: encodeStatePaths(before),
        after: encodeStatePaths(after),
        notices: JSON.stringify(
          notices.map(({ notice, message, severity }) => ({ notice, message, severity })),
        ),
      })
    }
    return transition
  }

  /** Stores a request in the same transaction. A notice is kept with the event, and returned. */
  #persistCommand(command: Command, at: number, after: AgentSnapshot): AgentEvent[] {
    switch (command.type) {
      case 'request':
        this.#store.listCommands.removeKinds([command.params.kind])
        this.#store.listCommands.add(command.params.kind)
        return []
      case 'discardSecrets':
        if (command.params.what === 'registering') {
          this.#store.remove('registering')
          this.#store.listCommands.removeKinds(['register'])
        } else {
          this.#store.remove('identity')
          this.#store.remove('outstanding')
          this.#store.listCommands.removeKinds(['authorize', 'renew', 'acknowledge', 'deregister'])
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
      // The logger of the embedder must not fail the agent; the history has the notice.
    }
  }

  /** Records a notice that is not of the machine: kept in the history like the rest. */
  recordNotice(notice: AgentEventName, detail?: string): void {
    const record = createAgentEvent(this.#clock.now(), notice, detail)
    const here = encodeStatePaths(this.snapshot)
    this.#store.commit(() => {
      this.#store.listHistory.add({
        at: record.at,
        event: notice,
        detail: '{}',
        before: here,
        after: here,
        notices: JSON.stringify([{ notice, message: record.message, severity: record.severity }]),
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

/** The states of the machine, as the history keeps them. */
export const encodeStatePaths = ({ value }: AgentSnapshot): string =>
  JSON.stringify({
    state: getLicenseState(value),
    registration: toRegionPath(value.registration),
    license: toRegionPath(value.license),
    link: value.link,
  })

/** What an event carried that a reader of the history wants to know. Events of the chart hold no secrets. */
function toHistoryDetail(event: Event): object {
  switch (event.type) {
    case 'tick':
    case 'deregister':
    case 'authorization.renew':
    case 'registration.renew':
    // Codes belong to the people they were printed for, not to the history.
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
