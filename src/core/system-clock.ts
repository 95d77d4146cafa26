import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
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

/**
 * Returns an id of the boot whose uptime `/proc/uptime` shows. A container may have another uptime than its host, with the
 * same boot id: in a time namespace, whose id is then a part, or behind a file that is mounted over `/proc/uptime`, as
 * LXCFS does. Then, and without a boot id, each process counts as a separate boot.
 */
function readBootId(): string {
  const kernel = readTextFile('/proc/sys/kernel/random/boot_id')?.trim()
  const isReplaced = readTextFile('/proc/self/mountinfo')?.includes(' /proc/uptime ') ?? false
  if (kernel === undefined || isReplaced) return `process ${randomUUID()}`
  const timeNamespace = readLink('/proc/self/ns/time')
  return timeNamespace === null ? kernel : `${kernel} ${timeNamespace}`
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

/** Clock of the operating system. */
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
  bootId: () => (bootId ??= readBootId()),
}
