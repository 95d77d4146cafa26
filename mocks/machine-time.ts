import { rmSync, statSync } from 'node:fs'
import type { Instant } from '../src/core/time.ts'
import { createTemporaryDirectory } from './temporary-directory.ts'

/**
 * Returns the machine's time, by which TLS is verified. A new directory has this time, even if a test fakes `Date`.
 */
export function readMachineTime(): Instant {
  const directory = createTemporaryDirectory('smart-licensing-time-')
  try {
    return Math.floor(statSync(directory).mtimeMs)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
