import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const FILE_MODE = 0o600

/**
 * File that appears under its name as a whole or not at all. The data is written to a new file of a random name in the
 * same directory, which cannot have been prepared as a link. `commit` replaces the named file, or a link in its place.
 * After `commit` the file and its directory entry are on disk.
 *
 * Every regular file of the programs is written by this class, except databases, logs and streams.
 */
export class AtomicFile {
  readonly #path: string
  readonly #temporaryPath: string
  readonly #fd: number
  #isOpen = true
  #isCommitted = false

  /** Creates the temporary file. @throws Error of the file system */
  constructor(path: string) {
    this.#path = path
    this.#temporaryPath = `${path}.${randomBytes(9).toString('hex')}`
    // The flag `x` (`O_EXCL`) refuses an existing file or link at this path.
    this.#fd = openSync(this.#temporaryPath, 'wx', FILE_MODE)
  }

  /** Appends data. @throws Error of the file system */
  write(data: string | Buffer): void {
    // Uses `writeFileSync`, because `writeSync` may write only a part without an error if the disk becomes full.
    writeFileSync(this.#fd, data)
  }

  /** Replaces the named file. @throws Error of the file system */
  commit(): void {
    fsyncSync(this.#fd)
    this.#closeDescriptor()
    renameSync(this.#temporaryPath, this.#path)
    this.#isCommitted = true
    fsyncDirectory(dirname(this.#path))
  }

  /** Closes the file, and deletes the temporary file unless it was committed. */
  close(): void {
    this.#closeDescriptor()
    if (!this.#isCommitted) rmSync(this.#temporaryPath, { force: true })
  }

  #closeDescriptor(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeSync(this.#fd)
  }
}

/** Writes a file as a whole, readable by this user only. @throws Error of the file system */
export function replaceFile(path: string, data: string | Buffer): void {
  const file = new AtomicFile(path)
  try {
    file.write(data)
    file.commit()
  } finally {
    file.close()
  }
}

/** Writes the entries of a directory to disk, so that a file renamed into it survives a power failure. */
export function fsyncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
