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

/** Clock of the operating system. If the kernel has no boot id, each process counts as a separate boot. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => {
    const monotonic = performance.now()
    // Read `/proc/uptime` at most once a second. It includes time in which the process was suspended.
    if (lastUptime === null || monotonic - lastUptime.monotonic >= SECOND)
      lastUptime = { monotonic, uptime: readUptime() }
    return Math.round(lastUptime.uptime + monotonic - lastUptime.monotonic)
  },
  bootId: () =>
    (bootId ??= readTextFile('/proc/sys/kernel/random/boot_id')?.trim() ?? `process ${process.pid}`),
}
