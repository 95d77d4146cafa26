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
/** Size in bytes at which the audit file is rotated. One previous file is kept. */
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

/** Stores the users and audit entries of a device as private files in its data directory. */
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
    // Denials of unauthenticated clients have their own file, so that they cannot displace other entries.
    const path = entry.who === null ? this.#denialsPath : this.#auditPath
    try {
      ensurePrivateFile(path)
      if (statSync(path).size > MAX_FILE_BYTES) renameSync(path, `${path}.1`)
      appendLine(path, `${JSON.stringify(entry)}\n`)
      chmodSync(path, 0o600)
    } catch (error) {
      return Promise.reject(toStoreError(error, 'writing the audit log'))
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
        'Restore the file from a backup, or delete it to create the first user again with a one-time password.',
    })
  }

  #write(users: readonly User[]): void {
    this.#files.put(USERS_FILE, JSON.stringify(users, null, 2))
  }
}

/** Appends a line, or restores the file, because a partial line would also corrupt the next one. */
function appendLine(path: string, line: string): void {
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  try {
    appendFileSync(path, line, { mode: 0o600 })
  } catch (error) {
    truncateSync(path, before)
    throw error
  }
}

/** Parses JSON; undefined for other text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Parses a line of the audit file; empty for a line that a crash truncated. */
function parseAuditEntry(line: string): AuditEntry[] {
  const parsed = auditEntrySchema.safeParse(parseJson(line))
  return parsed.success ? [parsed.data] : []
}
