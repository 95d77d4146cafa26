import type { Clock } from '../domain/clock.ts'
import { DAY, duration, HOUR, type Instant, SECOND } from '../domain/instant.ts'
import type { Reading } from './facts.ts'

/** A wall clock that falls behind by less is being disciplined, not set back. */
const TOLERANCE = 2 * SECOND
/** A wall clock this far from the authority's time is not trusted. */
const LARGE_SKEW = HOUR

/**
 * What time it is for the licence. Before any contact the wall clock, which never goes back; after one,
 * the authority's time plus the larger of the wall's and the monotonic progress since (trust §3). A wall
 * clock that falls behind its stored reading lowers nothing, and is said.
 */
export class ClockGuard {
  readonly #clock: Clock
  #base: { now: Instant; wall: Instant; monotonic: number }
  #contacted: boolean
  #distrust: string | null
  #highestWall: Instant

  constructor(clock: Clock, stored: Reading | null) {
    this.#clock = clock
    const wall = clock.wall()
    const monotonic = clock.monotonic()
    this.#contacted = stored?.contacted ?? false
    this.#distrust = stored?.distrust ?? null
    this.#highestWall = Math.max(wall, stored?.wall ?? wall)
    this.#base = { now: stored?.now ?? wall, wall: stored?.wall ?? wall, monotonic }
    if (stored) {
      const sameBoot = stored.bootId === clock.bootId()
      const running = sameBoot ? Math.max(0, clock.uptime() - stored.uptime) : 0
      this.#advance(wall, running)
      this.#base = { ...this.#base, monotonic }
    }
  }

  /** Now, for every deadline of the licence. Never less than it was, except when the authority says so. */
  now(): Instant {
    return Math.floor(this.#advance(this.#clock.wall(), this.#clock.monotonic() - this.#base.monotonic))
  }

  /**
   * @param running milliseconds of progress by the clock nobody can set
   */
  #advance(wall: Instant, running: number): Instant {
    const { now, wall: before } = this.#base
    if (wall < this.#highestWall - TOLERANCE && wall < before + running - TOLERANCE) {
      this.#distrust = `the clock of this box was set back by ${duration(before + running - wall)}`
      this.#base = { now: now + running, wall, monotonic: this.#clock.monotonic() }
      this.#highestWall = wall
      return this.#base.now
    }
    this.#highestWall = Math.max(this.#highestWall, wall)
    // A clock that was behind and has caught up was corrected; that correction is not time that passed.
    const corrected = before < now - TOLERANCE && wall >= now
    const progress = corrected ? wall - now : wall - before
    const at = now + Math.max(progress, running, 0)
    if (corrected) {
      this.#base = { now: at, wall, monotonic: this.#clock.monotonic() }
      if (Math.abs(wall - at) <= LARGE_SKEW) this.#distrust = null
    }
    return at
  }

  /** The authority's time has come with an accepted answer: it is the time from here on. */
  sync(authorityTime: Instant): void {
    const wall = this.#clock.wall()
    const skew = wall - authorityTime
    // A box that never had the time is corrected here for the first time; that is no offence.
    this.#distrust =
      this.#contacted && Math.abs(skew) > LARGE_SKEW
        ? `the clock of this box is ${duration(skew)} ${skew > 0 ? 'ahead of' : 'behind'} the authority's`
        : null
    this.#contacted = true
    this.#base = { now: authorityTime, wall, monotonic: this.#clock.monotonic() }
    this.#highestWall = wall
  }

  /** What is stored with every step. */
  reading(): Reading {
    return {
      now: this.now(),
      wall: this.#clock.wall(),
      uptime: this.#clock.uptime(),
      bootId: this.#clock.bootId(),
      contacted: this.#contacted,
      distrust: this.#distrust,
    }
  }

  /** Whether the box's own clock is believed, and why not. */
  trust(): { trusted: boolean; reason: string | null } {
    return { trusted: this.#distrust === null, reason: this.#distrust }
  }
}

/** One beat: what each opening of the agent uses of the evaluation at least. */
export const BEAT_SECONDS = 60

/** Counts the seconds an agent has been open, by the monotonic clock, and hands each out once. */
export class UsedSeconds {
  readonly #clock: Clock
  readonly #opened: number
  #charged = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#opened = clock.monotonic()
  }

  /** Whole seconds not handed out yet; the first call gives a beat at least. */
  take(): number {
    const open = Math.floor(Math.min(this.#clock.monotonic() - this.#opened, 10_000 * DAY) / SECOND)
    const used = Math.max(BEAT_SECONDS, open) - this.#charged
    if (used <= 0) return 0
    this.#charged += used
    return used
  }
}
