import { chmodSync, cpSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Copies a directory as `cp -a` does, with the modes of its folders: from Node 22 on, `cpSync` gives these the default mode, which
 * others may read, and a data directory that others may read is refused.
 *
 * @param filter whether a path of the source is copied
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
