import { chmodSync, cpSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Copies a directory as `cp -a` does, including the modes of its folders. `cpSync` of Node 22 and later gives folders the
 * default mode, but the programs refuse a data directory that other users can read.
 *
 * @param filter returns whether to copy a path of the source
 */
export function copyDirectory(
  from: string,
  to: string,
  filter: (path: string) => boolean = () => true,
): void {
  cpSync(from, to, { recursive: true, preserveTimestamps: true, filter })
  const copyModes = (below: string) => {
    chmodSync(join(to, below), statSync(join(from, below)).mode & 0o7777)
    for (const entry of readdirSync(join(to, below), { withFileTypes: true }))
      if (entry.isDirectory()) copyModes(join(below, entry.name))
  }
  copyModes('')
}
