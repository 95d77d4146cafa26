import type { Clock } from '../../core/clock.ts'
import type { Instant } from '../../core/time.ts'
import { assertWritable, type Tx } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'

/**
 * Clock of the authority. It follows the wall clock, but never returns an earlier time than the authority has
 * issued, such as the time of an answer.
 */
export class AuthorityClock {
  readonly #clock: Clock
  /** True for a satellite, whose clock the manager may correct. */
  readonly #isCorrectable: boolean
  /** The latest time issued so far, and the monotonic clock at that moment, in milliseconds. */
  #issued: { time: Instant; monotonic: number }
  #corrections = 0

  /** @param issued the latest time that the authority issued before this process started */
  constructor(clock: Clock, role: 'manager' | 'satellite', issued: Instant) {
    this.#clock = clock
    this.#isCorrectable = role === 'satellite'
    this.#issued = { time: issued, monotonic: clock.monotonic() }
  }

  /** Returns the wall clock of this machine. */
  wall(): Instant {
    return this.#clock.wall()
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  now(): Instant {
    const { time, monotonic } = this.#issued
    const elapsedMs = Math.max(0, this.#clock.monotonic() - monotonic)
    return Math.floor(Math.max(this.#clock.wall(), time + elapsedMs))
  }

  /** Returns the number of corrections by the manager that this process has applied. */
  get corrections(): number {
    return this.#corrections
  }

  /** Records a time that a committed transaction has issued. */
  recordIssued(time: Instant): void {
    this.#issued = { time, monotonic: this.#clock.monotonic() }
  }

  /**
   * Returns the time for a read-only transaction, which is no earlier than the times that other processes of the
   * authority have issued.
   */
  readTime(tx: Tx): Promise<Instant> {
    return TimeFloor.atLeast(tx, this.now())
  }

  /**
   * Returns the time for a transaction. Applies the manager's corrections first, which another process of the
   * authority may have received.
   */
  async time(tx: Tx): Promise<Instant> {
    await this.#applyCorrections(tx)
    return this.readTime(tx)
  }

  async #applyCorrections(tx: Tx): Promise<void> {
    if (!this.#isCorrectable) return
    const corrections = await TimeFloor.corrections(tx)
    if (corrections === this.#corrections) return
    assertWritable(tx)
    this.#corrections = corrections
    this.recordIssued(await TimeFloor.read(tx))
  }
}
