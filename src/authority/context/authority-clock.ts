import type { Clock } from '../../core/clock.ts'
import type { Instant } from '../../core/time.ts'
import { assertWritable, type Tx } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'

/** The authority's time: the wall clock's, except that it never goes back behind an answer (trust §3). */
export class AuthorityClock {
  readonly #clock: Clock
  /** Whether a manager may correct this clock: a satellite's. */
  readonly #isCorrectable: boolean
  /** The highest time issued so far, and when that was by a clock nobody can set. */
  #issued: { time: Instant; monotonic: number }
  #corrections = 0

  /** @param issued the highest time that was issued before this process */
  constructor(clock: Clock, role: 'manager' | 'satellite', issued: Instant) {
    this.#clock = clock
    this.#isCorrectable = role === 'satellite'
    this.#issued = { time: issued, monotonic: clock.monotonic() }
  }

  /** Returns what the clock of this machine says. */
  wall(): Instant {
    return this.#clock.wall()
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  now(): Instant {
    const { time, monotonic } = this.#issued
    const since = Math.max(0, this.#clock.monotonic() - monotonic)
    return Math.floor(Math.max(this.#clock.wall(), time + since))
  }

  /** Counts how often this process has seen the clock corrected by the manager. */
  get corrections(): number {
    return this.#corrections
  }

  /** Notes a time that was issued by a transaction that is committed. */
  recordIssued(time: Instant): void {
    this.#issued = { time, monotonic: this.#clock.monotonic() }
  }

  /** Returns the time for a transaction that only reads: never before what any process has issued. */
  readTime(tx: Tx): Promise<Instant> {
    return TimeFloor.atLeast(tx, this.now())
  }

  /** Returns the time for a transaction, after a correction that this process or another was given. */
  async time(tx: Tx): Promise<Instant> {
    await this.#followCorrections(tx)
    return this.readTime(tx)
  }

  async #followCorrections(tx: Tx): Promise<void> {
    if (!this.#isCorrectable) return
    const corrections = await TimeFloor.corrections(tx)
    if (corrections === this.#corrections) return
    assertWritable(tx)
    this.#corrections = corrections
    this.recordIssued(await TimeFloor.read(tx))
  }
}
