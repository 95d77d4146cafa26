import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from './clock.ts'
import { SECOND } from './time.ts'

function readTextFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

let bootId: string | undefined
let lastUptime: { monotonic: number; uptime: number } | null = null

function readUptime(): number {
  const seconds = readTextFile('/proc/uptime')?.split(' ', 1)[0]
  return 1000 * (seconds === undefined ? uptime() : Number(seconds))
}

/** The operating system's own clocks. Where the kernel tells no boot id, every process is its own boot. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => {
    const monotonic = performance.now()
    // The kernel is asked once a second: what it says is for the time that this process was suspended.
    if (lastUptime === null || monotonic - lastUptime.monotonic >= SECOND)
      lastUptime = { monotonic, uptime: readUptime() }
    return Math.round(lastUptime.uptime + monotonic - lastUptime.monotonic)
  },
  bootId: () =>
    (bootId ??= readTextFile('/proc/sys/kernel/random/boot_id')?.trim() ?? `process ${process.pid}`),
}
