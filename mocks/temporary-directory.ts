import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Directory in memory on Linux, where writing to the disk costs no time. */
const MEMORY = '/dev/shm'

/** Creates a directory for the data of one test, in memory if the machine has one. */
export function createTemporaryDirectory(prefix: string): string {
  try {
    return mkdtempSync(join(MEMORY, prefix))
  } catch {
    return mkdtempSync(join(tmpdir(), prefix))
  }
}
