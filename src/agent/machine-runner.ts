import { EventEmitter } from 'node:events'
import {
  axisPath,
  begin,
  type Command,
  type Event,
  nextDueAt,
  type Periods,
  type Position,
  step,
  stateWord,
} from '../../machines/index.ts'
import type { Instant } from '../core/time.ts'
import type { EvaluationMeter, LicenseClock } from './license-clock.ts'
import { readFacts, readingSchema, writeFacts } from './persisted-state.ts'
import type { AgentLogger } from './logger.ts'
import { type AgentNotice, noticeRecord, type NoticeRecord } from './event-catalog.ts'
import type { AgentStore } from './store.ts'

/** One transition of the machine. Listeners receive it once it is on disk. */
export interface Transition {
  readonly at: number
  readonly event: Event
  readonly before: Position
  readonly after: Position
  readonly notices: readonly NoticeRecord[]
}

/** Something beside the machine that has to be written in the same transaction. */
export type TransactionHook = (store: AgentStore) => void

/** What the runner says of its transactions. Listeners of `beforeCommit` are a part of the transaction: what they throw ends it. */
interface RunnerEvents {
  beforeCommit: [after: Position, at: Instant]
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
  position: Position
  readonly #store: AgentStore
  readonly #clock: LicenseClock
  readonly #meter: EvaluationMeter
  readonly #logger: AgentLogger
  #distrust: string | null

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
    this.#distrust = store.read('clock', readingSchema)?.distrust ?? null
    // Every caller that waits for an outcome listens for a while.
    this.events.setMaxListeners(0)
    const facts = store.readText('facts')
    const stored = facts === null ? begin(clock.now(), periods).position : readFacts(facts)
    // The periods are those of the profile of today, not of the day the state was written.
    this.position = { ...stored, context: { ...stored.context, periods } }
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
  runInTransaction(work: (position: Position) => readonly { tag: string; count: number }[]): void {
    let changes: readonly { tag: string; count: number }[] = []
    this.#transact(
      { always: false },
      () => changes.map((change) => (at: number): Event => ({ type: 'USAGE', at, ...change })),
      (_, position) => {
        changes = work(position)
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
    hook: (store: AgentStore, position: Position) => void,
  ): void {
    const seconds = this.#meter.pendingSeconds()
    const transitions: Transition[] = []
    let { position } = this
    const released: Command[] = []
    const apply = (event: Event) => {
      const { position: after, commands } = step(position, event)
      transitions.push(this.#record(event, position, after, commands))
      released.push(...commands.filter(({ type }) => type === 'forget'))
      position = after
    }
    const distrust = this.#distrust
    const restoreClock = this.#clock.snapshot()
    try {
      this.#store.commit(() => {
        const now = this.#clock.now()
        const due = nextDueAt(position)
        // A tick in which nothing was used and nothing is due changes nothing.
        if (always || seconds > 0 || (due !== null && due <= now))
          apply({ type: 'TICK', at: now, used: seconds })
        // A correction of the clock belongs to the event that brought it, not to the time that passed before.
        hook(this.#store, position)
        for (const createEvent of createEvents()) apply(createEvent(this.#clock.now()))
        this.events.emit('beforeCommit', position, this.#clock.now())
        this.#store.write('facts', writeFacts(position))
        this.#store.write('clock', this.#clock.serialize())
      })
    } catch (error) {
      // What is not on disk was not learned either: it is learned again, from the same clock, with the next attempt.
      restoreClock()
      this.#distrust = distrust
      this.events.emit('rollback')
      throw error
    }
    this.#meter.commit(seconds)
    this.position = position
    if (released.length > 0) this.events.emit('secretsReleased')
    for (const transition of transitions) {
      for (const notice of transition.notices) this.#log(notice)
      this.events.emit('transition', transition)
    }
    this.events.emit('committed')
  }

  #record(event: Event, before: Position, after: Position, commands: readonly Command[]): Transition {
    const notices = commands.flatMap((command) => this.#persistCommand(command, event.at, after))
    if (this.#clockChanged())
      notices.push(noticeRecord(event.at, 'SYSTEM_CLOCK_CHANGED', this.#distrust ?? 'it is right again'))
    const transition = { at: event.at, event, before, after, notices }
    const quiet =
      event.type === 'TICK' && notices.length === 0 && encodeStatePaths(before) === encodeStatePaths(after)
    if (!quiet) {
      this.#store.history.add({
        at: event.at,
        event: event.type,
        detail: JSON.stringify(detailOf(event)),
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
  #persistCommand(command: Command, at: number, after: Position): NoticeRecord[] {
    switch (command.type) {
      case 'request':
        this.#store.commands.removeKinds([command.params.kind])
        this.#store.commands.add(command.params.kind)
        return []
      case 'forget':
        if (command.params.what === 'registering') {
          this.#store.remove('registering')
          this.#store.commands.removeKinds(['register'])
        } else {
          this.#store.remove('identity')
          this.#store.remove('outstanding')
          this.#store.commands.removeKinds(['authorize', 'renew', 'acknowledge', 'deregister'])
        }
        return []
      case 'notice':
        return [noticeRecord(at, command.params.notice, noticeDetail(command.params, after))]
    }
  }

  #clockChanged(): boolean {
    const { reason } = this.#clock.trustStatus()
    if (reason === this.#distrust) return false
    this.#distrust = reason
    return true
  }

  #log(notice: NoticeRecord): void {
    const fields = { event: notice.notice, at: new Date(notice.at).toISOString() }
    const level = notice.severity === 3 ? 'error' : notice.severity === 4 ? 'warn' : 'info'
    try {
      this.#logger[level](`%SMART_LIC-${notice.severity}-${notice.notice}: ${notice.message}`, fields)
    } catch {
      // The logger of the embedder must not fail the agent; the history has the notice.
    }
  }

  /** Records a notice that is not of the machine: kept in the history like the rest. */
  recordNotice(notice: AgentNotice, detail?: string): void {
    const record = noticeRecord(this.#clock.now(), notice, detail)
    const here = encodeStatePaths(this.position)
    this.#store.commit(() => {
      this.#store.history.add({
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

const noticeDetail = (
  params: { notice: AgentNotice; detail?: string },
  after: Position,
): string | undefined =>
  params.notice === 'EXPORT_CONTROLLED'
    ? after.context.registration?.exportControlled
      ? 'allowed'
      : 'not allowed'
    : params.detail

/** The states of the machine, as the history keeps them. */
export const encodeStatePaths = ({ value }: Position): string =>
  JSON.stringify({
    state: stateWord(value),
    registration: axisPath(value.registration),
    license: axisPath(value.license),
    link: value.link,
  })

/** What an event carried that a reader of the history wants to know. Events of the chart hold no secrets. */
function detailOf(event: Event): object {
  switch (event.type) {
    case 'TICK':
    case 'DEREGISTER':
    case 'RENEW_AUTHORIZATION':
    case 'RENEW_REGISTRATION':
    // Codes belong to the people they were printed for, not to the history.
    case 'RESERVATION_REQUEST':
    case 'RESERVATION_CANCEL':
    case 'RESERVATION_RETURN_CODE':
    case 'RESERVATION_RETURN':
      return {}
    case 'RESERVATION_DISCARD':
      return { reservationId: event.returned.reservationId }
    case 'RESERVATION_INSTALL':
    case 'RESERVATION_UPDATE': {
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
