import type { Clock } from '../core/clock.ts'
import { DAY, formatDuration, HOUR, type Instant, MINUTE, SECOND } from '../core/time.ts'
import type { ClockReading } from './persisted-state.ts'

/** Largest step back of the wall clock that counts as clock discipline (NTP), not as setting the clock back. */
const CLOCK_TOLERANCE_MS = MINUTE
/** Largest difference between the wall clock and the authority's time at which the wall clock is trusted. */
const MAX_CLOCK_SKEW_MS = HOUR

/**
 * License time: the authority's time in the last accepted answer, plus the larger of two elapsed times since then. One
 * is measured by the wall clock, the other by steady clocks that cannot be set. Before any contact, the first reading
 * of the wall clock replaces the authority's time.
 *
 * The wall clock's elapsed time counts from its highest reading, so setting the clock back and forth adds nothing. Its
 * lead over the steady clock is kept as a drift, so the license time never stops.
 */
export class LicenseClock {
  readonly #clock: Clock
  /** Authority's time in the last answer, and the wall clock's reading at that moment. */
  #anchor: { time: Instant; wall: Instant }
  /** Milliseconds that passed between the anchor and `#opened`, measured without the wall clock. */
  #elapsedBefore: number
  #opened: { monotonic: number; uptime: number }
  /** Largest lead of the wall clock's elapsed time over the steady one, in milliseconds. */
  #forwardDrift: number
  #highestWall: Instant
  #last: { wall: Instant; ran: number }
  #contacted: boolean
  #untrustedReason: string | null

  constructor(clock: Clock, stored: ClockReading | null) {
    this.#clock = clock
    const wall = clock.wall()
    const uptime = clock.uptime()
    this.#opened = { monotonic: clock.monotonic(), uptime }
    this.#anchor = stored?.anchor ?? { time: wall, wall }
    this.#forwardDrift = stored?.excess ?? 0
    this.#highestWall = stored?.highestWall ?? wall
    this.#contacted = stored?.contacted ?? false
    this.#untrustedReason = stored?.distrust ?? null
    // Between two processes in one boot, the uptime of the machine measures the elapsed time.
    const offlineInterval = stored?.bootId === clock.bootId() ? Math.max(0, uptime - stored.uptime) : 0
    this.#elapsedBefore = (stored?.ran ?? 0) + offlineInterval
    this.#last = { wall: stored?.wall ?? wall, ran: stored?.ran ?? 0 }
    if (stored) this.now()
  }

  /** Returns the license time. Only an answer of the authority can set it back. */
  now(): Instant {
    const ran = this.#getElapsed()
    const wall = this.#clock.wall()
    this.#highestWall = Math.max(this.#highestWall, wall)
    this.#forwardDrift = Math.max(this.#forwardDrift, this.#highestWall - this.#anchor.wall - ran)
    const now = Math.floor(this.#anchor.time + ran + this.#forwardDrift)
    this.#detectClockChange(wall, ran, now)
    return now
  }

  /** Returns a lower bound of the time: the authority's time plus the steady elapsed time. 0 before any contact. */
  earliestNow(): Instant {
    return this.#contacted ? Math.floor(this.#anchor.time + this.#getElapsed()) : 0
  }

  /** Returns the milliseconds since the anchor by the steady clocks: monotonic clock, and uptime with suspend. */
  #getElapsed(): number {
    const { monotonic, uptime } = this.#opened
    const here = Math.max(this.#clock.monotonic() - monotonic, this.#clock.uptime() - uptime, 0)
    return this.#elapsedBefore + here
  }

  /** Detects whether the wall clock was set back since the last reading, or is correct again. */
  #detectClockChange(wall: Instant, ran: number, now: Instant): void {
    const expected = this.#last.wall + (ran - this.#last.ran)
    this.#last = { wall, ran }
    const close = Math.abs(wall - now) <= MAX_CLOCK_SKEW_MS
    if (wall < expected - CLOCK_TOLERANCE_MS) {
      // Setting the clock back to the authority's time is a correction.
      this.#untrustedReason =
        this.#contacted && close
          ? null
          : `the clock of this device was set back by ${roundToMinutes(expected - wall)}`
    } else if (this.#contacted ? close : wall >= now - CLOCK_TOLERANCE_MS) this.#untrustedReason = null
  }

  /** Sets the license time to the authority's time in an accepted answer. */
  setAuthorityTime(authorityTime: Instant): void {
    const wall = this.#clock.wall()
    const skew = wall - authorityTime
    // The first contact corrects the clock of a new device, which is not suspicious.
    this.#untrustedReason =
      this.#contacted && Math.abs(skew) > MAX_CLOCK_SKEW_MS
        ? `the clock of this device is ${formatDuration(skew)} ${skew > 0 ? 'ahead of' : 'behind'} the authority's clock`
        : null
    this.#contacted = true
    this.#anchor = { time: authorityTime, wall }
    this.#elapsedBefore = 0
    this.#opened = { monotonic: this.#clock.monotonic(), uptime: this.#clock.uptime() }
    this.#forwardDrift = 0
    this.#highestWall = wall
    this.#last = { wall, ran: 0 }
  }

  /**
   * Returns the license time that a signed file implies. Time that only the wall clock measured is removed. Time in
   * which the device ran stays. So a newer signed file corrects the clock of a reserved device.
   *
   * @param issued authority's time in the file, a lower bound of the current time
   * @param known instant of this device before the file was issued, because the file answers it. If `known` is later
   * than `issued`, the device clock was ahead by at least the difference
   */
  correctedTime(issued: Instant, known: Instant, now = this.now()): Instant {
    const proven = now - Math.max(0, known - issued)
    const ran = Math.floor(this.#anchor.time + this.#getElapsed())
    return Math.max(issued, Math.min(proven, Math.max(this.#clock.wall(), ran)))
  }

  /** Corrects the license time by an accepted signed file. */
  applySignedTime(issued: Instant, known: Instant): void {
    const now = this.now()
    const corrected = this.correctedTime(issued, known, now)
    if (corrected === now) return
    const distrust = this.#untrustedReason
    this.setAuthorityTime(corrected)
    // A file restores the trust in the wall clock only if the two agree now.
    if (Math.abs(this.#last.wall - corrected) > MAX_CLOCK_SKEW_MS) this.#untrustedReason ??= distrust
  }

  /** Returns a function that restores the current state, for a transaction that is rolled back. */
  snapshot(): () => void {
    const [anchor, ranBefore, opened, excess] = [
      this.#anchor,
      this.#elapsedBefore,
      this.#opened,
      this.#forwardDrift,
    ]
    const [highestWall, last, contacted, distrust] = [
      this.#highestWall,
      this.#last,
      this.#contacted,
      this.#untrustedReason,
    ]
    return () => {
      this.#anchor = anchor
      this.#elapsedBefore = ranBefore
      this.#opened = opened
      this.#forwardDrift = excess
      this.#highestWall = highestWall
      this.#last = last
      this.#contacted = contacted
      this.#untrustedReason = distrust
    }
  }

  /** Returns the reading that is stored with every transition. */
  serialize(): ClockReading {
    this.now()
    return {
      anchor: this.#anchor,
      excess: this.#forwardDrift,
      highestWall: this.#highestWall,
      wall: this.#last.wall,
      ran: this.#last.ran,
      uptime: this.#clock.uptime(),
      bootId: this.#clock.bootId(),
      contacted: this.#contacted,
      distrust: this.#untrustedReason,
    }
  }

  /** Returns whether the device's clock is trusted, and the reason if not. */
  trustStatus(): { trusted: boolean; reason: string | null } {
    this.now()
    return { trusted: this.#untrustedReason === null, reason: this.#untrustedReason }
  }
}

const roundToMinutes = (milliseconds: number): string =>
  formatDuration(Math.round(milliseconds / MINUTE) * MINUTE)

/** Minimum evaluation time that each open of the agent consumes: one tick. */
export const MIN_CHARGE_SECONDS = 60

/** Counts the seconds for which an agent has been open, by the monotonic clock. Each second is charged once. */
export class EvaluationMeter {
  readonly #clock: Clock
  readonly #opened: number
  #charged = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#opened = clock.monotonic()
  }

  /** Returns the whole seconds that are not charged yet. The first result is at least `MIN_CHARGE_SECONDS`. */
  pendingSeconds(): number {
    const open = Math.floor(Math.min(this.#clock.monotonic() - this.#opened, 10_000 * DAY) / SECOND)
    return Math.max(0, Math.max(MIN_CHARGE_SECONDS, open) - this.#charged)
  }

  /** Marks seconds as charged, after they are on disk. */
  commit(seconds: number): void {
    this.#charged += seconds
  }
}
