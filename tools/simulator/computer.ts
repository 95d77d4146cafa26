import { DAY } from '../../src/core/time.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import type { EventScheduler } from './event-scheduler.ts'

/** A simulated computer with a disk and clocks. It runs one program while it has power. */
export class Computer {
  readonly clock: SimulatedClock
  disk: SimulatedDisk
  /** Number of times the program was started. Callbacks of an earlier generation are discarded. */
  generation = 0
  power: 'on' | 'asleep' | 'off' = 'on'
  readonly #timeline: EventScheduler
  readonly #random: SeededRandom
  readonly #disks = new Set<SimulatedDisk>()
  /** Resolves with null when the power fails. Callers race the program's promises against it, since these never settle. */
  poweredOff: Promise<null>
  #resolvePoweredOff: () => void = () => undefined
  /** Number of power losses that were scheduled. Only the newest takes effect. */
  #scheduledPowerOffs = 0
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

  replaceDisk(disk: SimulatedDisk): void {
    this.disk = this.#addDisk(disk)
  }

  /** Cuts the power: ends the program at once and drops writes that were not synced. */
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
    // Code of the interrupted program may still run until the end of its turn.
    this.#timeline.scheduleAfter(0, () => {
      before.remove()
      this.#disks.delete(before)
    })
  }

  /**
   * Schedules a power loss at a later write, or after one day if there are fewer writes.
   *
   * @param after number of writes from now on; the last of them is not done
   */
  schedulePowerOff(after: number, onCut: () => void): void {
    const { disk } = this
    const plan = ++this.#scheduledPowerOffs
    const cut = () => {
      if (this.disk !== disk || this.#scheduledPowerOffs !== plan) return
      // This runs inside the simulated program, which would handle an error of the simulator as its own.
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

  /** Makes every write fail for a period. */
  fillDisk(milliseconds: number): void {
    this.disk.full = true
    this.#timeline.scheduleAfter(milliseconds, () => {
      this.disk.full = false
    })
  }

  /** Removes all faults: restores power, free disk space and correct clocks, and cancels a scheduled power loss. */
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
    for (const callback of waiting) callback()
  }

  /** Runs a callback after a delay, unless the current program has ended by then. */
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
