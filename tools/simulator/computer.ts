import { DAY } from '../../src/core/time.ts'
import type { Dice } from './seeded-random.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import type { Timeline } from './timeline.ts'

/** A computer with a disk and clocks, on which one program runs as long as there is power. */
export class Computer {
  readonly clock: SimulatedClock
  disk: SimulatedDisk
  /** Counts the lives of its program: what began in an earlier one is nobody's any more. */
  life = 0
  power: 'on' | 'asleep' | 'off' = 'on'
  readonly #timeline: Timeline
  readonly #dice: Dice
  readonly #disks = new Set<SimulatedDisk>()
  /** Resolves when its program is cut off: whoever waits for the program waits in vain. */
  cutOff: Promise<null>
  #cutOff: () => void = () => undefined
  /** Counts the power cuts that were planned: the newest one counts. */
  #plans = 0
  /** What waits for it to wake. */
  #atWaking: (() => void)[] = []

  constructor(name: string, timeline: Timeline, dice: Dice) {
    this.#timeline = timeline
    this.#dice = dice
    this.clock = new SimulatedClock(timeline.now)
    this.disk = this.#keep(new SimulatedDisk(name))
    this.cutOff = this.#nextCut()
  }

  #keep(disk: SimulatedDisk): SimulatedDisk {
    this.#disks.add(disk)
    return disk
  }

  #nextCut(): Promise<null> {
    return new Promise((resolve) => {
      this.#cutOff = () => {
        resolve(null)
      }
    })
  }

  /** Another disk is put in. */
  change(disk: SimulatedDisk): void {
    this.disk = this.#keep(disk)
  }

  /** The program ends here, whatever it was doing, and so does everything that was not synced. */
  cut(): void {
    if (this.power === 'off') return
    this.life++
    this.power = 'off'
    this.clock.off()
    this.#atWaking = []
    this.#cutOff()
    this.cutOff = this.#nextCut()
    const before = this.disk
    this.change(before.afterPowerCut(this.#dice))
    // The program that was cut off may still be running to its end.
    this.#timeline.after(0, () => {
      before.remove()
      this.#disks.delete(before)
    })
  }

  /** The power goes at the so-many-th write, or at the end of a day without as many. */
  planCut(after: number, onCut: () => void): void {
    const { disk } = this
    const plan = ++this.#plans
    const cut = () => {
      if (this.disk !== disk || this.#plans !== plan) return
      // Called from within a program, which would take an accident of the simulation for one of its own.
      try {
        this.cut()
        onCut()
      } catch (thrown) {
        this.#timeline.break(thrown)
      }
    }
    this.disk.cutAfter(after, cut)
    this.#timeline.after(DAY, cut)
  }

  /** Nothing more can be written, for a while. */
  fillDisk(milliseconds: number): void {
    this.disk.full = true
    this.#timeline.after(milliseconds, () => {
      this.disk.full = false
    })
  }

  /** It is on, with a disk that has room and clocks that are right, and no power cut is planned any more. */
  mend(): void {
    this.#plans++
    this.disk.spare()
    this.disk.full = false
    this.clock.mend()
    if (this.power === 'asleep') this.wake()
    if (this.power === 'off') this.boot()
  }

  boot(): void {
    this.power = 'on'
    this.clock.boot()
  }

  sleep(): void {
    this.power = 'asleep'
    this.clock.sleep()
  }

  wake(): void {
    this.power = 'on'
    this.clock.wake()
    const waiting = this.#atWaking
    this.#atWaking = []
    for (const one of waiting) one()
  }

  /** Does something after a while, unless the program that runs now has ended by then. */
  later(milliseconds: number, run: () => unknown): void {
    const { life } = this
    this.#timeline.after(milliseconds, () => (this.life === life ? run() : undefined))
  }

  atWaking(run: () => void): void {
    this.#atWaking.push(run)
  }

  remove(): void {
    this.life++
    for (const disk of this.#disks) disk.remove()
  }
}
