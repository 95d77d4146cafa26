import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from './clock.ts'

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

let bootId: string | undefined

/** The operating system's own clocks. Where the kernel tells no boot id, every process is its own boot. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => {
    const seconds = read('/proc/uptime')?.split(' ', 1)[0]
    return Math.round(1000 * (seconds === undefined ? uptime() : Number(seconds)))
  },
  bootId: () => (bootId ??= read('/proc/sys/kernel/random/boot_id')?.trim() ?? `process ${process.pid}`),
}
