import { setImmediate as passTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../src/core/clock.ts'
import { VirtualClock } from './virtual-clock.ts'

/** Turns of the event loop after which everything that was sent on loopback has arrived. */
const TURNS = 16

/** Time in which a mocked network waits or is silent. With a virtual clock it costs no real time. */
export class VirtualTime {
  readonly #clock: VirtualClock | null

  constructor(clock: Clock | undefined) {
    this.#clock = clock instanceof VirtualClock ? clock : null
  }

  /** Waits, and lets the virtual clock pass the same time. */
  async wait(milliseconds: number): Promise<void> {
    const clock = this.#clock
    if (clock === null) return sleep(milliseconds)
    let isOver = false
    const waited = new Promise<void>((resolve) => {
      clock.setTimer(milliseconds, () => {
        isOver = true
        resolve()
      })
    })
    this.skip(() => isOver)
    return waited
  }

  /** Advances a virtual clock to its next timer, when everything that was sent has arrived. */
  skipOnce(): void {
    let checks = 0
    this.skip(() => checks++ > 0)
  }

  /** Advances a virtual clock from timer to timer until something is over, such as an exchange without an answer. */
  skip(isOver: () => boolean): void {
    const clock = this.#clock
    if (clock === null) return
    const run = async () => {
      do for (let turn = 0; turn < TURNS; turn++) await passTurn()
      while (!isOver() && clock.advanceToNextTimer())
    }
    void run()
  }
}
