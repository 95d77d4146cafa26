import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { loadDatabase } from '../../src/storage/sqlite.ts'
import { copyDirectory } from '../copy-directory.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Error thrown by file operations after a power loss. Whatever the program does after it has no effect. */
export class PowerLossError extends Error {
  override readonly name = 'PowerLossError'
}

const Database = await loadDatabase()

/** The functions of `node:fs` as they were before they were patched. */
const real = { ...fs }

/** Directory of all simulated disks. It is in memory (`/dev/shm`) if the system has that: real durability is not needed. */
let rootDirectory: string | null = null

function createRootDirectory(): string {
  const directory = real.mkdtempSync(
    join(real.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sla-simulation-'),
  )
  process.once('exit', () => {
    real.rmSync(directory, { recursive: true, force: true })
  })
  installFiles()
  installDatabases()
  return directory
}

const disks = new Map<string, SimulatedDisk>()
/** Open files by descriptor. */
const openFiles = new Map<number, { readonly disk: SimulatedDisk; readonly path: string }>()

/** True while the simulator itself works on the files: the patches then pass every call through. */
let isBypassed = false

function bypassSimulatedFs<T>(work: () => T): T {
  const before = isBypassed
  isBypassed = true
  try {
    return work()
  } finally {
    isBypassed = before
  }
}

const findDisk = (path: unknown): SimulatedDisk | null =>
  !isBypassed && rootDirectory !== null && typeof path === 'string' && path.startsWith(rootDirectory)
    ? (disks.get(path.slice(rootDirectory.length + 1).split('/', 1)[0] ?? '') ?? null)
    : null

const findFile = (descriptor: number) => (isBypassed ? undefined : openFiles.get(descriptor))

const isDatabase = (path: string): boolean => /\.db(-wal|-shm|-journal)?$/.test(path)
const readContent = (path: string): Buffer | null =>
  bypassSimulatedFs(() =>
    real.existsSync(path) && real.statSync(path).isFile() ? real.readFileSync(path) : null,
  )

let diskCount = 0

/**
 * The disk of one simulated computer: a directory whose files survive a power loss as far as they were synced.
 *
 * - Unsynced data may be kept, kept in part, or lost.
 * - A file that was created or renamed may be missing if its directory was not synced.
 * - SQLite's write-ahead log may lose transactions that were committed without a sync, and may end in a torn frame.
 */
export class SimulatedDisk {
  readonly directory: string
  /** True while every write fails for lack of space. */
  full = false
  #name: string
  #isPoweredOff = false
  #writes = 0
  #powerLossAt: number | null = null
  #onPowerLoss: () => void = () => undefined
  /** Files with unsynced content, and unsynced directory entries, each with the content from before the change. */
  readonly #contents = new Map<string, Buffer | null>()
  readonly #entries = new Map<string, Buffer | null>()
  readonly #databases = new Set<Sqlite.Database>()

  constructor(name: string) {
    this.#name = `${name}.${++diskCount}`
    rootDirectory ??= createRootDirectory()
    this.directory = join(rootDirectory, this.#name)
    real.mkdirSync(this.directory, { mode: 0o700 })
    disks.set(this.#name, this)
  }

  /** Number of writes so far. A power loss can be scheduled at any later write. */
  get writes(): number {
    return this.#writes
  }

  /**
   * Schedules a power loss.
   *
   * @param writes number of writes from now on; the power fails before the last of them is done
   */
  schedulePowerLoss(writes: number, onCut: () => void): void {
    this.#powerLossAt = this.#writes + writes
    this.#onPowerLoss = onCut
  }

  cancelPowerLoss(): void {
    this.#powerLossAt = null
  }

  /** Counts a write that is about to be done. @throws PowerLossError if the power fails now or has failed before */
  write(): void {
    this.assertPowered()
    this.#writes++
    if (this.#powerLossAt === null || this.#writes < this.#powerLossAt) return
    this.#isPoweredOff = true
    this.#onPowerLoss()
    throw new PowerLossError()
  }

  /** @throws PowerLossError if the power has failed */
  assertPowered(): void {
    if (this.#isPoweredOff) throw new PowerLossError()
  }

  addDatabase(database: Sqlite.Database): void {
    this.#databases.add(database)
  }

  markChanged(path: string): void {
    if (isDatabase(path) || this.#contents.has(path)) return
    this.#contents.set(path, readContent(path))
  }
  markMoved(path: string): void {
    if (isDatabase(path) || this.#entries.has(path)) return
    this.#entries.set(path, readContent(path))
  }
  markRenamed(from: string, to: string): void {
    this.markMoved(from)
    this.markMoved(to)
    const content = this.#contents.get(from)
    if (content === undefined) this.#contents.delete(to)
    else this.#contents.set(to, content)
    this.#contents.delete(from)
  }
  markSynced(path: string): void {
    this.#contents.delete(path)
    for (const entry of this.#entries.keys()) if (dirname(entry) === path) this.#entries.delete(entry)
  }

  /** Returns a new disk with the content that this disk has when the power returns. */
  copyAfterPowerLoss(random: SeededRandom): SimulatedDisk {
    this.#isPoweredOff = true
    return bypassSimulatedFs(() => this.#copyAfterPowerLoss(random))
  }

  #copyAfterPowerLoss(random: SeededRandom): SimulatedDisk {
    const synced = [...this.#databases].every(isSynchronous)
    const next = this.copy()
    const there = (path: string) => join(next.directory, path.slice(this.directory.length + 1))
    for (const [path, before] of this.#contents) {
      const content = readContent(there(path))
      if (content === null || random.nextBoolean(0.4)) continue
      if (random.nextBoolean(0.5)) writeContent(there(path), before)
      else writeContent(there(path), content.subarray(0, random.nextInt(0, content.length)))
    }
    for (const [path, before] of this.#entries) if (random.nextBoolean(0.5)) writeContent(there(path), before)
    for (const path of real.readdirSync(next.directory))
      if (path.endsWith('.db-wal')) tearWal(join(next.directory, path), synced, random)
    this.#closeAll()
    return next
  }

  /** Returns a new disk with the same files. */
  copy(): SimulatedDisk {
    const next = new SimulatedDisk(this.#name.replace(/\.\d+$/, ''))
    next.full = this.full
    this.copyTo(next.directory)
    return next
  }

  copyTo(directory: string): void {
    bypassSimulatedFs(() => {
      copyDirectory(this.directory, directory, (path) => !path.endsWith('.db-shm'))
    })
  }

  copyFrom(directory: string): void {
    bypassSimulatedFs(() => {
      copyDirectory(directory, this.directory)
    })
  }

  /** Closes the databases that an ended program left open, as its process exit would. */
  release(): void {
    bypassSimulatedFs(() => {
      this.#closeAll()
    })
  }

  #closeAll(): void {
    for (const database of this.#databases) {
      try {
        database.close()
      } catch {
        // A database with a statement in progress cannot be closed. It is released with its program.
      }
    }
    this.#databases.clear()
  }

  remove(): void {
    this.#isPoweredOff = true
    disks.delete(this.#name)
    bypassSimulatedFs(() => {
      this.#closeAll()
      real.rmSync(this.directory, { recursive: true, force: true })
    })
  }
}

const isSynchronous = (database: Sqlite.Database): boolean => {
  try {
    return (
      !database.open || database.readonly || Number(database.pragma('synchronous', { simple: true })) >= 2
    )
  } catch {
    return true
  }
}

function writeContent(path: string, content: Buffer | null): void {
  if (content === null) real.rmSync(path, { force: true })
  else {
    real.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    real.writeFileSync(path, content, { mode: 0o600 })
  }
}

const HEADER = 32
const FRAME_HEADER = 24

/**
 * Truncates and corrupts a write-ahead log as a power loss does (SQLite file format, §4). Synced transactions are kept, some
 * of the others are kept, and the rest of the log is damaged.
 */
function tearWal(path: string, synced: boolean, random: SeededRandom): void {
  const log = real.readFileSync(path)
  if (log.length < HEADER) return
  const frame = FRAME_HEADER + log.readUInt32BE(8)
  const salts = log.subarray(16, 24)
  const commits = [HEADER]
  let end = HEADER
  while (end + frame <= log.length && log.subarray(end + 8, end + 16).equals(salts)) {
    end += frame
    if (log.readUInt32BE(end - frame + 4) !== 0) commits.push(end)
  }
  const kept = synced ? (commits.at(-1) ?? HEADER) : random.pick(commits)
  const torn = log.subarray(0, random.nextInt(kept, end))
  for (let at = kept; at < torn.length; at += 512)
    if (random.nextBoolean(0.5)) torn.fill(0, at, Math.min(at + 512, torn.length))
  real.writeFileSync(path, torn)
}

const createNoSpaceError = (): Error =>
  Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
const createDatabaseFullError = (): Error =>
  new Database.SqliteError('database or disk is full', 'SQLITE_FULL')

/** Writes all data to an open file. `fs.writeFileSync` calls the patched `writeSync` in some Node versions only. */
function writeAll(descriptor: number, data: string | NodeJS.ArrayBufferView): void {
  const bytes =
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (let at = 0; at < bytes.length;) at += real.writeSync(descriptor, bytes, at)
}

/** Patches `node:fs` so that paths below a simulated disk obey its faults. */
function installFiles(): void {
  const writing = (path: fs.PathLike, fresh: boolean) => {
    const disk = findDisk(path)
    if (!disk || typeof path !== 'string') return
    disk.write()
    if (disk.full && !isDatabase(path)) throw createNoSpaceError()
    if (!real.existsSync(path)) disk.markMoved(path)
    if (fresh) disk.markChanged(path)
  }
  const writingTo = (descriptor: number) => {
    const file = findFile(descriptor)
    file?.disk.write()
    if (file?.disk.full === true) throw createNoSpaceError()
    file?.disk.markChanged(file.path)
  }
  const patches: Partial<typeof fs> = {
    openSync: (path, flags, mode) => {
      const disk = findDisk(path)
      disk?.assertPowered()
      if (flags !== 'r') writing(path, flags === 'w' || flags === 'wx')
      const descriptor = real.openSync(path, flags, mode)
      if (disk) openFiles.set(descriptor, { disk, path: String(path) })
      return descriptor
    },
    writeSync: ((descriptor: number, ...rest: [string]) => {
      writingTo(descriptor)
      return real.writeSync(descriptor, ...rest)
    }) as typeof fs.writeSync,
    fsyncSync: (descriptor) => {
      const file = findFile(descriptor)
      if (!file) {
        real.fsyncSync(descriptor)
        return
      }
      file.disk.write()
      file.disk.markSynced(file.path)
    },
    closeSync: (descriptor) => {
      openFiles.delete(descriptor)
      real.closeSync(descriptor)
    },
    renameSync: (from, to) => {
      const disk = findDisk(from)
      disk?.write()
      disk?.markRenamed(String(from), String(to))
      real.renameSync(from, to)
    },
    rmSync: (path, options) => {
      const disk = findDisk(path)
      disk?.write()
      if (disk) disk.markMoved(String(path))
      real.rmSync(path, options)
    },
    writeFileSync: (path, data, options) => {
      if (typeof path === 'string') writing(path, true)
      if (typeof path === 'number') {
        writingTo(path)
        writeAll(path, data)
        return
      }
      real.writeFileSync(path, data, options)
    },
    appendFileSync: (path, data, options) => {
      if (typeof path === 'string') writing(path, true)
      real.appendFileSync(path, data, options)
    },
  }
  Object.assign(fs, patches)
  syncBuiltinESMExports()
}

/** Effect of a statement on a disk. After `begin`, no earlier write waits for a commit. */
type StatementKind = 'begin' | 'commit' | 'write' | 'read'

function getStatementKind({ source, readonly }: Sqlite.Statement): StatementKind {
  if (/^\s*(begin\b|rollback\s*$)/i.test(source)) return 'begin'
  if (/^\s*commit\b/i.test(source)) return 'commit'
  return readonly || /^\s*(savepoint|release|rollback|pragma)\b/i.test(source) ? 'read' : 'write'
}

function installDatabases(): void {
  const memory = new Database(':memory:')
  const statements = Object.getPrototypeOf(memory.prepare('select 1')) as Record<
    'run' | 'get' | 'all' | 'iterate',
    (this: Sqlite.Statement, ...parameters: unknown[]) => unknown
  >
  memory.close()
  const known = new WeakMap<Sqlite.Database, SimulatedDisk | null>()
  const dirty = new WeakSet<Sqlite.Database>()
  const find = (database: Sqlite.Database): SimulatedDisk | null => {
    const found = known.get(database)
    if (found !== undefined) return found
    const disk = findDisk(database.name)
    known.set(database, disk)
    disk?.addDatabase(database)
    return disk
  }
  const kinds = new WeakMap<Sqlite.Statement, StatementKind>()
  const kindOf = (statement: Sqlite.Statement): StatementKind => {
    const kind = kinds.get(statement) ?? getStatementKind(statement)
    kinds.set(statement, kind)
    return kind
  }
  for (const method of ['run', 'get', 'all', 'iterate'] as const) {
    const original = statements[method]
    statements[method] = function (...parameters) {
      if (isBypassed) return original.apply(this, parameters)
      const { database } = this
      const disk = find(database)
      if (!disk) return original.apply(this, parameters)
      disk.assertPowered()
      switch (kindOf(this)) {
        case 'begin':
          dirty.delete(database)
          break
        case 'commit':
          disk.write()
          if (disk.full && dirty.has(database)) throw createDatabaseFullError()
          dirty.delete(database)
          break
        case 'write':
          disk.write()
          if (database.inTransaction) dirty.add(database)
          else if (disk.full) throw createDatabaseFullError()
          break
        case 'read':
      }
      return original.apply(this, parameters)
    }
  }
  const { exec, prepare } = Database.prototype as Pick<Sqlite.Database, 'exec' | 'prepare'>
  Object.assign(Database.prototype, {
    exec(this: Sqlite.Database, sql: string) {
      find(this)?.write()
      return exec.call(this, sql)
    },
    prepare(this: Sqlite.Database, sql: string) {
      if (!isBypassed) find(this)?.assertPowered()
      return prepare.call(this, sql)
    },
  })
}
