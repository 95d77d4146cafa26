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
import type { ClockGuard, UsedSeconds } from './license-clock.ts'
import { readFacts, readingSchema, writeFacts } from './persisted-state.ts'
import type { AgentLogger } from './logger.ts'
import { type AgentNotice, noticeRecord, type NoticeRecord } from './event-catalog.ts'
import type { AgentStore } from './store.ts'

/** What one step of the chart did: told to listeners once it is on disk. */
export interface Transition {
  readonly at: number
  readonly event: Event
  readonly before: Position
  readonly after: Position
  readonly notices: readonly NoticeRecord[]
}

/** A fact beside the chart that has to be written in the same transaction. */
export type AlongWith = (store: AgentStore) => void

/**
 * Chart, then disk, then the world: one event is one transaction that holds the new facts, the event, and
 * the commands not yet done. Nobody is told before it is on disk.
 */
export class Stepper {
  position: Position
  readonly #store: AgentStore
  readonly #clock: ClockGuard
  readonly #used: UsedSeconds
  readonly #logger: AgentLogger
  readonly #tell: (transition: Transition) => void
  readonly #forgotten: () => void
  readonly #conclude: (after: Position, at: number) => void
  readonly #notKept: () => void
  #distrust: string | null

  constructor(parts: {
    store: AgentStore
    clock: ClockGuard
    used: UsedSeconds
    logger: AgentLogger
    tell: (transition: Transition) => void
    /** Called when what was kept for a purpose is over, once that is on disk. */
    forgotten: () => void
    /** What else belongs to a step, in its transaction: from where, to where, when. */
    conclude: (after: Position, at: number) => void
    /** Called when a transaction was not kept. */
    notKept: () => void
    periods: Periods
  }) {
    const facts = parts.store.readText('facts')
    this.#store = parts.store
    this.#clock = parts.clock
    this.#used = parts.used
    this.#logger = parts.logger
    this.#tell = parts.tell
    this.#forgotten = parts.forgotten
    this.#conclude = parts.conclude
    this.#notKept = parts.notKept
    this.#distrust = parts.store.read('clock', readingSchema)?.distrust ?? null
    const stored = facts === null ? begin(parts.clock.now(), parts.periods).position : readFacts(facts)
    // The periods are the product's of today, not those of the day the facts were written.
    this.position = { ...stored, context: { ...stored.context, periods: parts.periods } }
  }

  /** The time that passed since the last step: charged to the evaluation, and compared with every deadline. */
  tick(): void {
    this.#apply(
      { spare: false },
      () => [],
      () => undefined,
    )
  }

  /**
   * Something beside the chart that changes what is in use, and the counts that come of it: in one transaction, with the time
   * that passed.
   */
  work(along: (position: Position) => readonly { tag: string; count: number }[]): void {
    let changes: readonly { tag: string; count: number }[] = []
    this.#apply(
      { spare: true },
      () => changes.map((change) => (at: number): Event => ({ type: 'USAGE', at, ...change })),
      (_, position) => {
        changes = along(position)
      },
    )
  }

  /** The time that passed, then the event: in one transaction. */
  step(makeEvent: (at: number) => Event, along: AlongWith = () => undefined): void {
    this.#apply({ spare: false }, () => [makeEvent], along)
  }

  #apply(
    { spare }: { spare: boolean },
    makeEvents: () => readonly ((at: number) => Event)[],
    along: (store: AgentStore, position: Position) => void,
  ): void {
    const used = this.#used.due()
    const transitions: Transition[] = []
    let { position } = this
    const forgotten: Command[] = []
    const take = (event: Event) => {
      const { position: after, commands } = step(position, event)
      transitions.push(this.#record(event, position, after, commands))
      forgotten.push(...commands.filter(({ type }) => type === 'forget'))
      position = after
    }
    const distrust = this.#distrust
    const forgetCorrection = this.#clock.checkpoint()
    try {
      this.#store.commit(() => {
        const now = this.#clock.now()
        const due = nextDueAt(position)
        // A beat in which nothing was used and nothing is due changes nothing.
        if (!spare || used > 0 || (due !== null && due <= now)) take({ type: 'TICK', at: now, used })
        // A correction of the clock belongs to the event that brought it, not to the time that passed before.
        along(this.#store, position)
        for (const make of makeEvents()) take(make(this.#clock.now()))
        this.#conclude(position, this.#clock.now())
        this.#store.write('facts', writeFacts(position))
        this.#store.write('clock', this.#clock.reading())
      })
    } catch (thrown) {
      // What is not on disk was not learned either: it is learned again, from the same clock, with the next attempt.
      forgetCorrection()
      this.#distrust = distrust
      this.#notKept()
      throw thrown
    }
    this.#used.charge(used)
    this.position = position
    if (forgotten.length > 0) this.#forgotten()
    for (const transition of transitions) {
      for (const notice of transition.notices) this.#log(notice)
      this.#tell(transition)
    }
  }

  #record(event: Event, before: Position, after: Position, commands: readonly Command[]): Transition {
    const notices = commands.flatMap((command) => this.#carryOver(command, event.at, after))
    if (this.#clockChanged())
      notices.push(noticeRecord(event.at, 'SYSTEM_CLOCK_CHANGED', this.#distrust ?? 'it is right again'))
    const transition = { at: event.at, event, before, after, notices }
    const quiet =
      event.type === 'TICK' && notices.length === 0 && describePosition(before) === describePosition(after)
    if (!quiet) {
      this.#store.addHistory({
        at: event.at,
        event: event.type,
        detail: JSON.stringify(detailOf(event)),
        before: describePosition(before),
        after: describePosition(after),
        notices: JSON.stringify(
          notices.map(({ notice, message, severity }) => ({ notice, message, severity })),
        ),
      })
    }
    return transition
  }

  /** Commands become rows in the same transaction; notices are only said, and kept with the event. */
  #carryOver(command: Command, at: number, after: Position): NoticeRecord[] {
    switch (command.type) {
      case 'request':
        this.#store.removeCommands([command.params.kind])
        this.#store.addCommand(command.params.kind)
        return []
      case 'forget':
        if (command.params.what === 'registering') {
          this.#store.remove('registering')
          this.#store.removeCommands(['register'])
        } else {
          this.#store.remove('identity')
          this.#store.remove('outstanding')
          this.#store.removeCommands(['authorize', 'renew', 'acknowledge', 'deregister'])
        }
        return []
      case 'notice':
        return [noticeRecord(at, command.params.notice, noticeDetail(command.params, after))]
    }
  }

  #clockChanged(): boolean {
    const { reason } = this.#clock.trust()
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
      // The embedder's logger is not ours to fail by; the history has the notice.
    }
  }

  /** Says something that is not the chart's: kept in the history like the rest. */
  remark(notice: AgentNotice, detail?: string): void {
    const record = noticeRecord(this.#clock.now(), notice, detail)
    const here = describePosition(this.position)
    this.#store.commit(() => {
      this.#store.addHistory({
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

/** Where the chart stands, as the history keeps it. */
export const describePosition = ({ value }: Position): string =>
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
