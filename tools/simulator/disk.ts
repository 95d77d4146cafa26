import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { Database } from '../../src/storage/sqlite.ts'
import { copyDirectory } from '../copy-directory.ts'
import type { Dice } from './seeded-random.ts'

/** The power went: the program that meets it does nothing more that counts. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

/** The real file system, as it was before programs were given simulated disks. */
const real = { ...fs }

/** Where the disks are: in memory where the system has such a place, since what is safe on them is decided here. */
let home: string | null = null

function makeHome(): string {
  const made = real.mkdtempSync(join(real.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sla-simulation-'))
  process.once('exit', () => {
    real.rmSync(made, { recursive: true, force: true })
  })
  installFiles()
  installDatabases()
  return made
}

const disks = new Map<string, SimulatedDisk>()
/** Files that are open, by their descriptor. */
const open = new Map<number, { readonly disk: SimulatedDisk; readonly path: string }>()

/** The simulation itself is at work on the files: what it does is done to them from outside. */
let fromOutside = false

function outside<T>(work: () => T): T {
  const before = fromOutside
  fromOutside = true
  try {
    return work()
  } finally {
    fromOutside = before
  }
}

const diskOf = (path: unknown): SimulatedDisk | null =>
  !fromOutside && home !== null && typeof path === 'string' && path.startsWith(home)
    ? (disks.get(path.slice(home.length + 1).split('/', 1)[0] ?? '') ?? null)
    : null

const fileOf = (descriptor: number) => (fromOutside ? undefined : open.get(descriptor))

const isDatabase = (path: string): boolean => /\.db(-wal|-shm|-journal)?$/.test(path)
const contentOf = (path: string): Buffer | null =>
  outside(() => (real.existsSync(path) && real.statSync(path).isFile() ? real.readFileSync(path) : null))

let numbered = 0

/**
 * The disk of one computer: a directory whose files survive a power cut as far as they were synced. What was written and not
 * synced may be there, in part, or not at all; a file that was renamed or made without its directory being synced may be
 * there or not; of SQLite's log, what was committed without a sync may be lost, and what was not committed may be torn.
 */
export class SimulatedDisk {
  readonly directory: string
  /** Nothing more can be written. */
  full = false
  #name: string
  #dead = false
  #writes = 0
  #cutAt: number | null = null
  #onCut: () => void = () => undefined
  /** Files whose content is not synced, and entries of directories: with what a power cut would leave of them. */
  readonly #contents = new Map<string, Buffer | null>()
  readonly #entries = new Map<string, Buffer | null>()
  readonly #databases = new Set<Sqlite.Database>()

  constructor(name: string) {
    this.#name = `${name}.${++numbered}`
    home ??= makeHome()
    this.directory = join(home, this.#name)
    real.mkdirSync(this.directory, { mode: 0o700 })
    disks.set(this.#name, this)
  }

  /** Writes so far: a power cut can be planned after any of them. */
  get writes(): number {
    return this.#writes
  }

  /** The power goes at the so-many-th write from now on, before it is done. */
  cutAfter(writes: number, onCut: () => void): void {
    this.#cutAt = this.#writes + writes
    this.#onCut = onCut
  }

  /** No power cut is planned any more. */
  spare(): void {
    this.#cutAt = null
  }

  /** Before anything is written. @throws PowerCut */
  write(): void {
    this.use()
    this.#writes++
    if (this.#cutAt === null || this.#writes < this.#cutAt) return
    this.#dead = true
    this.#onCut()
    throw new PowerCut()
  }

  /** @throws PowerCut where the power is gone */
  use(): void {
    if (this.#dead) throw new PowerCut()
  }

  holds(database: Sqlite.Database): void {
    this.#databases.add(database)
  }

  changed(path: string): void {
    if (isDatabase(path) || this.#contents.has(path)) return
    this.#contents.set(path, contentOf(path))
  }
  moved(path: string): void {
    if (isDatabase(path) || this.#entries.has(path)) return
    this.#entries.set(path, contentOf(path))
  }
  renamed(from: string, to: string): void {
    this.moved(from)
    this.moved(to)
    const content = this.#contents.get(from)
    if (content === undefined) this.#contents.delete(to)
    else this.#contents.set(to, content)
    this.#contents.delete(from)
  }
  synced(path: string): void {
    this.#contents.delete(path)
    for (const entry of this.#entries.keys()) if (dirname(entry) === path) this.#entries.delete(entry)
  }

  /** What the same disk holds when the power is back: another one. */
  afterPowerCut(dice: Dice): SimulatedDisk {
    this.#dead = true
    return outside(() => this.#afterPowerCut(dice))
  }

  #afterPowerCut(dice: Dice): SimulatedDisk {
    const synced = [...this.#databases].every(isSynchronous)
    const next = this.copy()
    const there = (path: string) => join(next.directory, path.slice(this.directory.length + 1))
    for (const [path, before] of this.#contents) {
      const content = contentOf(there(path))
      if (content === null || dice.chance(0.4)) continue
      if (dice.chance(0.5)) put(there(path), before)
      else put(there(path), content.subarray(0, dice.between(0, content.length)))
    }
    for (const [path, before] of this.#entries) if (dice.chance(0.5)) put(there(path), before)
    for (const path of real.readdirSync(next.directory))
      if (path.endsWith('.db-wal')) tear(join(next.directory, path), synced, dice)
    this.#closeAll()
    return next
  }

  /** The same files on another disk. */
  copy(): SimulatedDisk {
    const next = new SimulatedDisk(this.#name.replace(/\.\d+$/, ''))
    next.full = this.full
    this.copyTo(next.directory)
    return next
  }

  /** Copies its files to a directory. */
  copyTo(directory: string): void {
    outside(() => {
      copyDirectory(this.directory, directory, (path) => !path.endsWith('.db-shm'))
    })
  }

  /** Files from a directory, such as one that was kept. */
  copyFrom(directory: string): void {
    outside(() => {
      copyDirectory(directory, this.directory)
    })
  }

  /** The program that used it has ended: what it left open is closed for it. */
  release(): void {
    outside(() => {
      this.#closeAll()
    })
  }

  #closeAll(): void {
    for (const database of this.#databases) {
      try {
        database.close()
      } catch {
        // One that is in the middle of something goes when its program does.
      }
    }
    this.#databases.clear()
  }

  /** It is not needed any more. */
  remove(): void {
    this.#dead = true
    disks.delete(this.#name)
    outside(() => {
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

function put(path: string, content: Buffer | null): void {
  if (content === null) real.rmSync(path, { force: true })
  else {
    real.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    real.writeFileSync(path, content, { mode: 0o600 })
  }
}

const HEADER = 32
const FRAME_HEADER = 24

/**
 * What a power cut leaves of a write-ahead log (SQLite file format, §4): every transaction that was synced, of the others as
 * many as the disk had got to, and after them anything.
 */
function tear(path: string, synced: boolean, dice: Dice): void {
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
  const kept = synced ? (commits.at(-1) ?? HEADER) : dice.pick(commits)
  const torn = log.subarray(0, dice.between(kept, end))
  for (let at = kept; at < torn.length; at += 512)
    if (dice.chance(0.5)) torn.fill(0, at, Math.min(at + 512, torn.length))
  real.writeFileSync(path, torn)
}

/** A full disk, as SQLite and the file system say it. */
const noSpace = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
const databaseFull = (): Error => new Database.SqliteError('database or disk is full', 'SQLITE_FULL')

/** Writes all of it into an open file. Node's own function calls the patched `writeSync` in some versions and not in others. */
function writeAll(descriptor: number, data: string | NodeJS.ArrayBufferView): void {
  const bytes =
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (let at = 0; at < bytes.length;) at += real.writeSync(descriptor, bytes, at)
}

/** Gives the programs of this process simulated disks, wherever a path leads to one. */
function installFiles(): void {
  const writing = (path: fs.PathLike, fresh: boolean) => {
    const disk = diskOf(path)
    if (!disk || typeof path !== 'string') return
    disk.write()
    if (disk.full && !isDatabase(path)) throw noSpace()
    if (!real.existsSync(path)) disk.moved(path)
    if (fresh) disk.changed(path)
  }
  const writingTo = (descriptor: number) => {
    const file = fileOf(descriptor)
    file?.disk.write()
    if (file?.disk.full === true) throw noSpace()
    file?.disk.changed(file.path)
  }
  const patches: Partial<typeof fs> = {
    openSync: (path, flags, mode) => {
      const disk = diskOf(path)
      disk?.use()
      if (flags !== 'r') writing(path, flags === 'w' || flags === 'wx')
      const descriptor = real.openSync(path, flags, mode)
      if (disk) open.set(descriptor, { disk, path: String(path) })
      return descriptor
    },
    writeSync: ((descriptor: number, ...rest: [string]) => {
      writingTo(descriptor)
      return real.writeSync(descriptor, ...rest)
    }) as typeof fs.writeSync,
    fsyncSync: (descriptor) => {
      const file = fileOf(descriptor)
      if (!file) {
        real.fsyncSync(descriptor)
        return
      }
      file.disk.write()
      file.disk.synced(file.path)
    },
    closeSync: (descriptor) => {
      open.delete(descriptor)
      real.closeSync(descriptor)
    },
    renameSync: (from, to) => {
      const disk = diskOf(from)
      disk?.write()
      disk?.renamed(String(from), String(to))
      real.renameSync(from, to)
    },
    rmSync: (path, options) => {
      const disk = diskOf(path)
      disk?.write()
      if (disk) disk.moved(String(path))
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

/** What a statement does to a disk: nothing of what was written before a `begin` waits for its commit. */
type Kind = 'begin' | 'commit' | 'write' | 'read'

function readKind({ source, readonly }: Sqlite.Statement): Kind {
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
    const disk = diskOf(database.name)
    known.set(database, disk)
    disk?.holds(database)
    return disk
  }
  const kinds = new WeakMap<Sqlite.Statement, Kind>()
  const kindOf = (statement: Sqlite.Statement): Kind => {
    const kind = kinds.get(statement) ?? readKind(statement)
    kinds.set(statement, kind)
    return kind
  }
  for (const method of ['run', 'get', 'all', 'iterate'] as const) {
    const original = statements[method]
    statements[method] = function (...parameters) {
      if (fromOutside) return original.apply(this, parameters)
      const { database } = this
      const disk = find(database)
      if (!disk) return original.apply(this, parameters)
      disk.use()
      switch (kindOf(this)) {
        case 'begin':
          dirty.delete(database)
          break
        case 'commit':
          disk.write()
          if (disk.full && dirty.has(database)) throw databaseFull()
          dirty.delete(database)
          break
        case 'write':
          disk.write()
          if (database.inTransaction) dirty.add(database)
          else if (disk.full) throw databaseFull()
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
      if (!fromOutside) find(this)?.use()
      return prepare.call(this, sql)
    },
  })
}
