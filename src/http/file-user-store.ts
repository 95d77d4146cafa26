import { appendFileSync, chmodSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { ensurePrivateFile, fileExists, SecretFiles, storeFailure } from '../storage/private-files.ts'
import { canLose, type AuditEntry, roleSchema, type User, type UserChange, type UserStore } from './users.ts'

const USERS = 'users.json'
const AUDIT = 'audit.jsonl'
const REFUSED = 'refused.jsonl'
/** Bytes at which the record begins a new file; the one before is kept. */
const LARGEST = 4 * 1024 * 1024

const usersSchema = z.array(
  z.object({
    name: z.string(),
    role: roleSchema,
    account: z.string().nullable(),
    virtualAccount: z.string().nullable(),
    password: z.string(),
    mustChange: z.boolean(),
    createdAt: z.number(),
    signedInAt: z.number().nullable(),
  }),
)
const deedSchema = z.object({
  at: z.number(),
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string(),
})

/** Users and the audit record of a box: two files of its data directory, for its owner alone. */
export class FileUsers implements UserStore {
  readonly #files: SecretFiles
  readonly #audit: string
  readonly #refused: string

  /** @throws LicensingError DATA_DIR_UNSAFE, STORE_* */
  constructor(directory: string) {
    this.#files = new SecretFiles(directory)
    this.#audit = join(directory, AUDIT)
    this.#refused = join(directory, REFUSED)
  }

  find(name: string): Promise<User | null> {
    return Promise.resolve(this.#read().find((user) => user.name === name) ?? null)
  }

  list(): Promise<User[]> {
    return Promise.resolve(this.#read())
  }

  add(user: User): Promise<boolean> {
    const users = this.#read()
    if (users.some(({ name }) => name === user.name)) return Promise.resolve(false)
    this.#write([...users, user])
    return Promise.resolve(true)
  }

  addFirst(user: User, keep: () => void): Promise<boolean> {
    if (this.#read().length > 0) return Promise.resolve(false)
    keep()
    this.#write([user])
    return Promise.resolve(true)
  }

  change(name: string, password: string, change: UserChange): Promise<boolean> {
    const users = this.#read()
    const found = users.find((user) => user.name === name && user.password === password)
    if (!found) return Promise.resolve(false)
    this.#write(users.map((user) => (user === found ? { ...user, ...change } : user)))
    return Promise.resolve(true)
  }

  remove(name: string): Promise<'removed' | 'unknown' | 'last'> {
    const users = this.#read()
    if (!users.some((user) => user.name === name)) return Promise.resolve('unknown')
    if (!canLose(users, name)) return Promise.resolve('last')
    this.#write(users.filter((user) => user.name !== name))
    return Promise.resolve('removed')
  }

  record(deed: AuditEntry): Promise<void> {
    // What strangers are refused is kept apart: it pushes nothing out that somebody did.
    const path = deed.who === null ? this.#refused : this.#audit
    try {
      ensurePrivateFile(path)
      if (statSync(path).size > LARGEST) renameSync(path, `${path}.1`)
      appendWhole(path, `${JSON.stringify(deed)}\n`)
      chmodSync(path, 0o600)
    } catch (thrown) {
      return Promise.reject(storeFailure(thrown, 'writing the audit record'))
    }
    return Promise.resolve()
  }

  auditEntries(limit: number): Promise<AuditEntry[]> {
    const newest = [this.#audit, this.#refused].flatMap((audit) => {
      const lines = [`${audit}.1`, audit].flatMap((path) =>
        fileExists(path) ? readFileSync(path, 'utf8').split('\n') : [],
      )
      return lines.slice(-limit - 1).flatMap(readDeed)
    })
    return Promise.resolve(
      newest
        .toSorted((a, b) => a.at - b.at)
        .slice(-limit)
        .reverse(),
    )
  }

  #read(): User[] {
    if (!this.#files.has(USERS)) return []
    const parsed = usersSchema.safeParse(jsonOf(this.#files.get(USERS)))
    if (parsed.success) return parsed.data
    throw new LicensingError('STORE_UNREADABLE', 'The list of users, console/users.json, cannot be read.', {
      remedy:
        'Restore it from a backup; or remove it, which makes the first user and a one-time password anew.',
    })
  }

  #write(users: readonly User[]): void {
    this.#files.put(USERS, JSON.stringify(users, null, 2))
  }
}

/** Appends a line, or leaves the file as it was: half a line would spoil the next one too. */
function appendWhole(path: string, line: string): void {
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  try {
    appendFileSync(path, line, { mode: 0o600 })
  } catch (error) {
    truncateSync(path, before)
    throw error
  }
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A line that a crash cut short is no deed. */
function readDeed(line: string): AuditEntry[] {
  const parsed = deedSchema.safeParse(jsonOf(line))
  return parsed.success ? [parsed.data] : []
}
