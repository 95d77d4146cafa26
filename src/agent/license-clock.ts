import type { Clock } from '../core/clock.ts'
import { DAY, formatDuration, HOUR, type Instant, MINUTE, SECOND } from '../core/time.ts'
import type { ClockReading } from './persisted-state.ts'

/** A wall clock that falls behind by less than a beat is being disciplined, not set back. */
const CLOCK_TOLERANCE_MS = MINUTE
/** A wall clock this far from the authority's time is not trusted. */
const MAX_CLOCK_SKEW_MS = HOUR

/**
 * What time it is for the license (trust §3): the authority's time of the last accepted answer plus the larger
 * of two progresses since, the wall's and that of the clocks nobody can set. Before any contact the first wall
 * clock seen stands in for the authority.
 *
 * The wall's progress counts from its highest reading, so one that is set back and right again adds nothing; and
 * what it was once ahead stays as an excess on top of the steady clock, so *now* never stands still either.
 */
export class LicenseClock {
  readonly #clock: Clock
  /** The authority's time, and what the wall said then. */
  #anchor: { time: Instant; wall: Instant }
  /** Milliseconds known to have passed since the anchor, without a wall clock, up to `#opened`. */
  #elapsedBefore: number
  #opened: { monotonic: number; uptime: number }
  /** The most by which the wall's progress has exceeded the steady one. */
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
    // Between two processes of one boot the machine's uptime went on.
    const offlineInterval = stored?.bootId === clock.bootId() ? Math.max(0, uptime - stored.uptime) : 0
    this.#elapsedBefore = (stored?.ran ?? 0) + offlineInterval
    this.#last = { wall: stored?.wall ?? wall, ran: stored?.ran ?? 0 }
    if (stored) this.now()
  }

  /** Now, for every deadline of the license. Never less than it was, except when the authority says so. */
  now(): Instant {
    const ran = this.#getElapsed()
    const wall = this.#clock.wall()
    this.#highestWall = Math.max(this.#highestWall, wall)
    this.#forwardDrift = Math.max(this.#forwardDrift, this.#highestWall - this.#anchor.wall - ran)
    const now = Math.floor(this.#anchor.time + ran + this.#forwardDrift)
    this.#detectClockChange(wall, ran, now)
    return now
  }

  /** What the time is at least: the authority's, and how long this box has run since, whatever any wall says. */
  earliestNow(): Instant {
    return this.#contacted ? Math.floor(this.#anchor.time + this.#getElapsed()) : 0
  }

  /** Milliseconds since the anchor by the clocks nobody can set: of this process, and of the machine asleep. */
  #getElapsed(): number {
    const { monotonic, uptime } = this.#opened
    const here = Math.max(this.#clock.monotonic() - monotonic, this.#clock.uptime() - uptime, 0)
    return this.#elapsedBefore + here
  }

  /** Whether the wall was set back since it was last read, or is right again. */
  #detectClockChange(wall: Instant, ran: number, now: Instant): void {
    const expected = this.#last.wall + (ran - this.#last.ran)
    this.#last = { wall, ran }
    const close = Math.abs(wall - now) <= MAX_CLOCK_SKEW_MS
    if (wall < expected - CLOCK_TOLERANCE_MS) {
      // Set back onto the authority's time it was corrected, which is no offence.
      this.#untrustedReason =
        this.#contacted && close
          ? null
          : `the clock of this box was set back by ${roundToMinutes(expected - wall)}`
    } else if (this.#contacted ? close : wall >= now - CLOCK_TOLERANCE_MS) this.#untrustedReason = null
  }

  /** The authority's time has come with an accepted answer: it is the time from here on. */
  setAuthorityTime(authorityTime: Instant): void {
    const wall = this.#clock.wall()
    const skew = wall - authorityTime
    // A box that never had the time is corrected here for the first time; that is no offence.
    this.#untrustedReason =
      this.#contacted && Math.abs(skew) > MAX_CLOCK_SKEW_MS
        ? `the clock of this box is ${formatDuration(skew)} ${skew > 0 ? 'ahead of' : 'behind'} the authority's`
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
   * What the time would be after a signed file that came by hand: what only a wall clock has claimed is taken back, in which
   * this box did not run; time in which it ran never is (trust §3: a reserved box is mended by a newer signed file).
   *
   * @param issued the authority's time in it: it is no earlier now
   * @param known an instant of this box that lies before the file was issued, since the file answers it: a clock that was
   * later than the file then was ahead by at least that much
   */
  correctedTime(issued: Instant, known: Instant, now = this.now()): Instant {
    const proven = now - Math.max(0, known - issued)
    const ran = Math.floor(this.#anchor.time + this.#getElapsed())
    return Math.max(issued, Math.min(proven, Math.max(this.#clock.wall(), ran)))
  }

  /** A signed file was taken: the time is what it says of it, where that is another. */
  applySignedTime(issued: Instant, known: Instant): void {
    const now = this.now()
    const corrected = this.correctedTime(issued, known, now)
    if (corrected === now) return
    const distrust = this.#untrustedReason
    this.setAuthorityTime(corrected)
    // Paper proves no more of the wall clock than that it was right if it agrees now.
    if (Math.abs(this.#last.wall - corrected) > MAX_CLOCK_SKEW_MS) this.#untrustedReason ??= distrust
  }

  /** What is known now: calling it later forgets what was learned since, for a transaction that was not kept. */
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

  /** What is stored with every step. */
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

  /** Whether the box's own clock is believed, and why not. */
  trustStatus(): { trusted: boolean; reason: string | null } {
    this.now()
    return { trusted: this.#untrustedReason === null, reason: this.#untrustedReason }
  }
}

/** A duration to the minute. */
const roundToMinutes = (milliseconds: number): string =>
  formatDuration(Math.round(milliseconds / MINUTE) * MINUTE)

/** One beat: what each opening of the agent uses of the evaluation at least. */
export const MIN_CHARGE_SECONDS = 60

/** Counts the seconds an agent has been open, by the monotonic clock, and hands each out once. */
export class EvaluationMeter {
  readonly #clock: Clock
  readonly #opened: number
  #charged = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#opened = clock.monotonic()
  }

  /** Whole seconds not charged yet; a beat at least, the first time. */
  pendingSeconds(): number {
    const open = Math.floor(Math.min(this.#clock.monotonic() - this.#opened, 10_000 * DAY) / SECOND)
    return Math.max(0, Math.max(MIN_CHARGE_SECONDS, open) - this.#charged)
  }

  /** They are on disk: they are not handed out again. */
  commit(seconds: number): void {
    this.#charged += seconds
  }
}
