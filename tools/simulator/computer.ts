import { DAY } from '../../src/core/time.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import type { EventScheduler } from './event-scheduler.ts'

/** A computer with a disk and clocks, on which one program runs as long as there is power. */
export class Computer {
  readonly clock: SimulatedClock
  disk: SimulatedDisk
  /** Counts the lives of its program: what began in an earlier one is nobody's any more. */
  generation = 0
  power: 'on' | 'asleep' | 'off' = 'on'
  readonly #timeline: EventScheduler
  readonly #random: SeededRandom
  readonly #disks = new Set<SimulatedDisk>()
  /** Resolves when its program is cut off: whoever waits for the program waits in vain. */
  poweredOff: Promise<null>
  #resolvePoweredOff: () => void = () => undefined
  /** Counts the power cuts that were planned: the newest one counts. */
  #scheduledPowerOffs = 0
  /** What waits for it to wake. */
  #wakeCallbacks: (() => void)[] = []

  constructor(name: string, timeline: EventScheduler, random: SeededRandom) {
    this.#timeline = timeline
    this.#random = random
    this.clock = new SimulatedClock(timeline.now)
    this.disk = this.#addDisk(new SimulatedDisk(name))
    this.poweredOff = this.#createPoweredOff()
  }

  #addDisk(disk: SimulatedDisk): SimulatedDisk {
    this.#disks.add(disk)
    return disk
  }

  #createPoweredOff(): Promise<null> {
    return new Promise((resolve) => {
      this.#resolvePoweredOff = () => {
        resolve(null)
      }
    })
  }

  /** Another disk is put in. */
  replaceDisk(disk: SimulatedDisk): void {
    this.disk = this.#addDisk(disk)
  }

  /** The program ends here, whatever it was doing, and so does everything that was not synced. */
  powerOff(): void {
    if (this.power === 'off') return
    this.generation++
    this.power = 'off'
    this.clock.powerOff()
    this.#wakeCallbacks = []
    this.#resolvePoweredOff()
    this.poweredOff = this.#createPoweredOff()
    const before = this.disk
    this.replaceDisk(before.copyAfterPowerLoss(this.#random))
    // The program that was cut off may still be running to its end.
    this.#timeline.scheduleAfter(0, () => {
      before.remove()
      this.#disks.delete(before)
    })
  }

  /** The power goes at the so-many-th write, or at the end of a day without as many. */
  schedulePowerOff(after: number, onCut: () => void): void {
    const { disk } = this
    const plan = ++this.#scheduledPowerOffs
    const cut = () => {
      if (this.disk !== disk || this.#scheduledPowerOffs !== plan) return
      // Called from within a program, which would take an accident of the simulation for one of its own.
      try {
        this.powerOff()
        onCut()
      } catch (error) {
        this.#timeline.fail(error)
      }
    }
    this.disk.schedulePowerLoss(after, cut)
    this.#timeline.scheduleAfter(DAY, cut)
  }

  /** Nothing more can be written, for a while. */
  fillDisk(milliseconds: number): void {
    this.disk.full = true
    this.#timeline.scheduleAfter(milliseconds, () => {
      this.disk.full = false
    })
  }

  /** It is on, with a disk that has room and clocks that are right, and no power cut is planned any more. */
  restore(): void {
    this.#scheduledPowerOffs++
    this.disk.cancelPowerLoss()
    this.disk.full = false
    this.clock.restore()
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
    const waiting = this.#wakeCallbacks
    this.#wakeCallbacks = []
    for (const one of waiting) one()
  }

  /** Does something after a while, unless the program that runs now has ended by then. */
  schedule(milliseconds: number, run: () => unknown): void {
    const { generation } = this
    this.#timeline.scheduleAfter(milliseconds, () => (this.generation === generation ? run() : undefined))
  }

  onWake(run: () => void): void {
    this.#wakeCallbacks.push(run)
  }

  remove(): void {
    this.generation++
    for (const disk of this.#disks) disk.remove()
  }
}
