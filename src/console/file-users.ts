import { appendFileSync, chmodSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../domain/errors.ts'
import { ensurePrivateFile, fileExists, SecretFiles, storeFailure } from '../trust/private-files.ts'
import { type Deed, roleSchema, type User, type UserStore } from './users.ts'

const USERS = 'users.json'
const AUDIT = 'audit.jsonl'
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
  about: z.string(),
  outcome: z.string(),
})

/** Users and the audit record of a box: two files of its data directory, for its owner alone. */
export class FileUsers implements UserStore {
  readonly #files: SecretFiles
  readonly #audit: string

  /** @throws LicensingError DATA_DIR_UNSAFE, STORE_* */
  constructor(directory: string) {
    this.#files = new SecretFiles(directory)
    this.#audit = join(directory, AUDIT)
  }

  find(name: string): Promise<User | null> {
    return Promise.resolve(this.#read().find((user) => user.name === name) ?? null)
  }

  list(): Promise<User[]> {
    return Promise.resolve(this.#read())
  }

  put(user: User): Promise<void> {
    const others = this.#read().filter(({ name }) => name !== user.name)
    this.#write([...others, user])
    return Promise.resolve()
  }

  remove(name: string): Promise<void> {
    this.#write(this.#read().filter((user) => user.name !== name))
    return Promise.resolve()
  }

  record(deed: Deed): Promise<void> {
    try {
      ensurePrivateFile(this.#audit)
      if (statSync(this.#audit).size > LARGEST) renameSync(this.#audit, `${this.#audit}.1`)
      appendFileSync(this.#audit, `${JSON.stringify(deed)}\n`, { mode: 0o600 })
      chmodSync(this.#audit, 0o600)
    } catch (thrown) {
      return Promise.reject(storeFailure(thrown, 'writing the audit record'))
    }
    return Promise.resolve()
  }

  deeds(limit: number): Promise<Deed[]> {
    const lines = [`${this.#audit}.1`, this.#audit].flatMap((path) =>
      fileExists(path) ? readFileSync(path, 'utf8').split('\n') : [],
    )
    return Promise.resolve(
      lines
        .slice(-limit - 1)
        .flatMap(readDeed)
        .slice(-limit)
        .reverse(),
    )
  }

  #read(): User[] {
    if (!this.#files.has(USERS)) return []
    const parsed = usersSchema.safeParse(JSON.parse(this.#files.get(USERS)))
    if (parsed.success) return parsed.data
    throw new LicensingError('STORE_UNREADABLE', 'The list of users cannot be read.')
  }

  #write(users: readonly User[]): void {
    this.#files.put(USERS, JSON.stringify(users, null, 2))
  }
}

/** A line that a crash cut short is no deed. */
function readDeed(line: string): Deed[] {
  try {
    const parsed = deedSchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  } catch {
    return []
  }
}
