import type { Clock } from '../core/clock.ts'
import { alreadyExistsError, LicensingError, notFoundError } from '../core/errors.ts'
import { toIsoString } from '../core/time.ts'
import { validate } from '../core/validate.ts'
import { userNameSchema, type userSchema } from './sign-in-schemas.ts'
import { sanitizeText, Deduplicator } from '../core/text.ts'
import type { Caller } from './procedures.ts'
import { consumeAttempt, type LoginAttemptStore, MemoryLoginAttempts } from './login-rate-limiter.ts'
import { verifyPassword, hashPassword, generateOneTimePassword, assertStrongPassword } from './passwords.ts'
import {
  isCurrent,
  MemorySessions,
  type SessionOwner,
  Sessions,
  type SessionSecrets,
  type SessionStore,
} from './sessions.ts'
import type { AuditEntry, UserRole, User, UserStore } from './users.ts'
import type { z } from 'zod'

/** The user there is from the first start on. */
export const INITIAL_USER = 'admin'

interface UserInput {
  readonly name: string
  readonly role: UserRole
  readonly account: string | null
  readonly virtualAccount: string | null
}

type UserDocument = z.infer<typeof userSchema>

const toUserDocument = ({ password: _, createdAt, signedInAt, ...user }: User): UserDocument => ({
  ...user,
  createdAt: toIsoString(createdAt),
  signedInAt: toIsoString(signedInAt),
})

/** Who may sign in, and who has: the front desk of a page. */
export class AuthService {
  readonly sessions: Sessions
  readonly #attempts: LoginAttemptStore
  readonly #users: UserStore
  readonly #clock: Clock
  readonly #supportsAccountScope: boolean
  readonly #onInitialPasswordUsed: () => void
  readonly #deduplicator = new Deduplicator()

  /**
   * @param options `reaches`: whether users can be kept to a smart account; `firstPasswordUsed`: called when the one-time
   * password of the first user is good for nothing any more; `kept`: where sessions and wrong passwords are kept, in this
   * process unless given
   */
  constructor(
    users: UserStore,
    clock: Clock,
    options: {
      supportsAccountScope: boolean
      onInitialPasswordUsed: () => void
      stores?: { sessions: SessionStore; attempts: LoginAttemptStore }
    },
  ) {
    this.sessions = new Sessions(options.stores?.sessions ?? new MemorySessions(() => clock.uptime()))
    this.#attempts = options.stores?.attempts ?? new MemoryLoginAttempts(() => clock.uptime())
    this.#users = users
    this.#clock = clock
    this.#supportsAccountScope = options.supportsAccountScope
    this.#onInitialPasswordUsed = options.onInitialPasswordUsed
  }

  /** Makes the first user where there is none. @param keep keeps the one-time password, before the user is there */
  async ensureInitialUser(keep: (oneTimePassword: string) => void): Promise<void> {
    if ((await this.#users.list()).length > 0) return
    const { user, password } = await this.#createUser({
      name: INITIAL_USER,
      role: 'administrator',
      account: null,
      virtualAccount: null,
    })
    await this.#users.addFirst(user, () => {
      keep(password)
    })
  }

  /** @throws LicensingError SIGN_IN_FAILED: the same words whatever was wrong; TOO_MANY_REQUESTS */
  async signIn(
    name: string,
    password: string,
    address: string,
  ): Promise<{ user: User; secrets: SessionSecrets }> {
    const right = await consumeAttempt(this.#attempts, address)
    const user = await this.#users.find(name.trim())
    if (!(await verifyPassword(password, user?.password ?? null)) || !user)
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is not right.')
    const signedInAt = this.#clock.wall()
    // Removed, or given another password, while this one was looked at.
    if (!(await this.#users.change(user.name, user.password, { signedInAt })))
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is not right.')
    await right()
    return { user: { ...user, signedInAt }, secrets: await this.sessions.begin(user.name, user.password) }
  }

  /** The user of a session; null when it is over: by time, or because the user or the password is another by now. */
  async getUser(session: SessionOwner | null): Promise<User | null> {
    const user = session && (await this.#users.find(session.name))
    return user !== null && session !== null && isCurrent(session, user.password) ? user : null
  }

  /** Whether there is such a user: what else is typed into the field of the name may be a password. */
  async hasUser(name: string): Promise<boolean> {
    return (await this.#users.find(name.trim())) !== null
  }

  /** Records what was done, and once a minute what the same caller was refused in the same way. */
  async record(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    const { who, address, action, subject, outcome } = entry
    if (
      outcome !== 'done' &&
      !this.#deduplicator.firstSeen(`${who ?? ''} ${address} ${action} ${outcome}`, this.#clock.uptime())
    )
      return
    await this.#users.record({
      at: this.#clock.wall(),
      who,
      address,
      action: sanitizeText(action, 100),
      subject: sanitizeText(subject, 300),
      outcome,
    })
  }

  /** Returns the document of a user by name. @throws LicensingError NOT_FOUND */
  async getProfile(name: string): Promise<UserDocument> {
    return toUserDocument(await this.#require(name))
  }

  /** Who may sign in. */
  async list(): Promise<UserDocument[]> {
    return (await this.#users.list()).map(toUserDocument)
  }

  /** Who did what, and what was refused: the newest first. */
  async listAuditEntries(limit: number) {
    return (await this.#users.auditEntries(limit)).map(({ at, ...entry }) => ({
      at: toIsoString(at),
      ...entry,
    }))
  }

  /** What a user is told of themselves when they have signed in. */
  toDocument(user: User): UserDocument {
    return toUserDocument(user)
  }

  /** @throws LicensingError ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND */
  async add(wanted: UserInput): Promise<{ name: string; oneTimePassword: string }> {
    const name = validate(userNameSchema, wanted.name, 'user name')
    if (wanted.role === 'administrator' && wanted.virtualAccount !== null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'An administrator is not kept to one virtual account: give the role user.',
      )
    if (!this.#supportsAccountScope && (wanted.account !== null || wanted.virtualAccount !== null))
      throw new LicensingError('INVALID_ARGUMENT', 'A box has no smart accounts that users could be kept to.')
    const { user, password } = await this.#createUser({ ...wanted, name })
    if (!(await this.#users.add(user))) throw alreadyExistsError('user', `There is a user ${name} already.`)
    return { name, oneTimePassword: password }
  }

  /** A new one-time password. @throws LicensingError NOT_FOUND */
  async reset(name: string): Promise<{ name: string; oneTimePassword: string }> {
    const oneTime = generateOneTimePassword()
    const password = await hashPassword(oneTime)
    // Whoever sets a password of their own at the same moment loses it.
    while (
      !(await this.#users.change(name, (await this.#require(name)).password, { password, mustChange: true }))
    );
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
    return { name, oneTimePassword: oneTime }
  }

  /** @throws LicensingError NOT_FOUND, LAST_ADMINISTRATOR */
  async remove(name: string): Promise<void> {
    const done = await this.#users.remove(name)
    if (done === 'unknown') throw notFoundError('user', `There is no user ${name}.`)
    if (done === 'last')
      throw new LicensingError('LAST_ADMINISTRATOR', `Without ${name} nobody could administer.`)
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
  }

  /** Sets another password and ends the user's other sessions. @throws LicensingError SIGN_IN_FAILED, PASSWORD_WEAK */
  async changePassword(
    { current, password }: { current: string; password: string },
    { name, session, address }: Caller,
  ): Promise<Record<string, never>> {
    const right = await consumeAttempt(this.#attempts, address)
    const user = await this.#require(name)
    if (!(await verifyPassword(current, user.password)))
      throw new LicensingError('SIGN_IN_FAILED', 'The present password is not right.')
    await right()
    assertStrongPassword(password, name)
    if (password === current)
      throw new LicensingError('PASSWORD_WEAK', 'The new password is the one there was before.')
    const hash = await hashPassword(password)
    if (!(await this.#users.change(name, user.password, { password: hash, mustChange: false })))
      throw new LicensingError('SIGN_IN_FAILED', 'The present password is not right any more.')
    await this.sessions.updatePasswordDigest(session, hash)
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
    return {}
  }

  async #createUser(wanted: UserInput): Promise<{ user: User; password: string }> {
    const password = generateOneTimePassword()
    const user = {
      ...wanted,
      password: await hashPassword(password),
      mustChange: true,
      createdAt: this.#clock.wall(),
      signedInAt: null,
    }
    return { user, password }
  }

  /** @throws LicensingError NOT_FOUND */
  async #require(name: string): Promise<User> {
    const user = await this.#users.find(name)
    if (user) return user
    throw notFoundError('user', `There is no user ${name}.`)
  }
}
