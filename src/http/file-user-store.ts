import { appendFileSync, chmodSync, readFileSync, renameSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { ensurePrivateFile, fileExists, SecretFileStore, toStoreError } from '../storage/private-files.ts'
import {
  canRemove,
  type AuditEntry,
  userRoleSchema,
  type User,
  type UserChange,
  type UserStore,
} from './users.ts'

const USERS_FILE = 'users.json'
const AUDIT_FILE = 'audit.jsonl'
const DENIALS_FILE = 'refused.jsonl'
/** Bytes at which the record begins a new file; the one before is kept. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

const usersSchema = z.array(
  z.object({
    name: z.string(),
    role: userRoleSchema,
    account: z.string().nullable(),
    virtualAccount: z.string().nullable(),
    password: z.string(),
    mustChange: z.boolean(),
    createdAt: z.number(),
    signedInAt: z.number().nullable(),
  }),
)
const auditEntrySchema = z.object({
  at: z.number(),
  who: z.string().nullable(),
  address: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string(),
})

/** Users and the audit record of a box: two files of its data directory, for its owner alone. */
export class FileUserStore implements UserStore {
  readonly #files: SecretFileStore
  readonly #auditPath: string
  readonly #denialsPath: string

  /** @throws LicensingError DATA_DIR_UNSAFE, STORE_* */
  constructor(directory: string) {
    this.#files = new SecretFileStore(directory)
    this.#auditPath = join(directory, AUDIT_FILE)
    this.#denialsPath = join(directory, DENIALS_FILE)
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
    if (!canRemove(users, name)) return Promise.resolve('last')
    this.#write(users.filter((user) => user.name !== name))
    return Promise.resolve('removed')
  }

  record(entry: AuditEntry): Promise<void> {
    // What strangers are refused is kept apart: it pushes nothing out that somebody did.
    const path = entry.who === null ? this.#denialsPath : this.#auditPath
    try {
      ensurePrivateFile(path)
      if (statSync(path).size > MAX_FILE_BYTES) renameSync(path, `${path}.1`)
      appendLine(path, `${JSON.stringify(entry)}\n`)
      chmodSync(path, 0o600)
    } catch (error) {
      return Promise.reject(toStoreError(error, 'writing the audit record'))
    }
    return Promise.resolve()
  }

  auditEntries(limit: number): Promise<AuditEntry[]> {
    const newest = [this.#auditPath, this.#denialsPath].flatMap((audit) => {
      const lines = [`${audit}.1`, audit].flatMap((path) =>
        fileExists(path) ? readFileSync(path, 'utf8').split('\n') : [],
      )
      return lines.slice(-limit - 1).flatMap(parseAuditEntry)
    })
    return Promise.resolve(
      newest
        .toSorted((a, b) => a.at - b.at)
        .slice(-limit)
        .reverse(),
    )
  }

  #read(): User[] {
    if (!this.#files.has(USERS_FILE)) return []
    const parsed = usersSchema.safeParse(parseJson(this.#files.get(USERS_FILE)))
    if (parsed.success) return parsed.data
    throw new LicensingError('STORE_UNREADABLE', 'The list of users, console/users.json, cannot be read.', {
      remedy:
        'Restore it from a backup; or remove it, which makes the first user and a one-time password anew.',
    })
  }

  #write(users: readonly User[]): void {
    this.#files.put(USERS_FILE, JSON.stringify(users, null, 2))
  }
}

/** Appends a line, or leaves the file as it was: half a line would spoil the next one too. */
function appendLine(path: string, line: string): void {
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  try {
    appendFileSync(path, line, { mode: 0o600 })
  } catch (error) {
    truncateSync(path, before)
    throw error
  }
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A line that a crash cut short is no deed. */
function parseAuditEntry(line: string): AuditEntry[] {
  const parsed = auditEntrySchema.safeParse(parseJson(line))
  return parsed.success ? [parsed.data] : []
}
