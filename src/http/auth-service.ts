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
import { isAdministering, type UserRole } from './user-roles.ts'
import type { AuditEntry, User, UserStore } from './users.ts'
import type { z } from 'zod'

/** Name of the user that is created at the first start. */
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

/** Users, sessions and audit entries of a console. */
export class AuthService {
  readonly sessions: Sessions
  readonly #attempts: LoginAttemptStore
  readonly #users: UserStore
  readonly #clock: Clock
  readonly #supportsAccountScope: boolean
  readonly #onInitialPasswordUsed: () => void
  readonly #deduplicator = new Deduplicator()

  /**
   * @param options.supportsAccountScope true if users can be limited to a smart account
   * @param options.onInitialPasswordUsed called when the one-time password of the first user becomes invalid
   * @param options.stores stores of sessions and login attempts. Default: the memory of this process
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

  /** Creates the first user if there is none. @param keep stores the one-time password before the user is stored */
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

  /** @throws LicensingError SIGN_IN_FAILED, with the same message for an unknown user; TOO_MANY_REQUESTS */
  async signIn(
    name: string,
    password: string,
    address: string,
  ): Promise<{ user: User; secrets: SessionSecrets }> {
    const refundAttempt = await consumeAttempt(this.#attempts, { address, user: name })
    const user = await this.#users.find(name.trim())
    if (!(await verifyPassword(password, user?.password ?? null)) || !user)
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is wrong.')
    const signedInAt = this.#clock.wall()
    // The user was removed, or the password changed, during verification.
    if (!(await this.#users.change(user.name, user.password, { signedInAt })))
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is wrong.')
    await refundAttempt()
    return { user: { ...user, signedInAt }, secrets: await this.sessions.begin(user.name, user.password) }
  }

  /** Returns the user of a session; null if the session has ended, the user was removed or the password changed. */
  async getUser(session: SessionOwner | null): Promise<User | null> {
    const user = session && (await this.#users.find(session.name))
    return user !== null && session !== null && isCurrent(session, user.password) ? user : null
  }

  /** Tells whether a user exists. Audit entries omit unknown names, which may be mistyped passwords. */
  async hasUser(name: string): Promise<boolean> {
    return (await this.#users.find(name.trim())) !== null
  }

  /** Writes an audit entry. Equal denials of the same caller are recorded once a minute. */
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

  async list(): Promise<UserDocument[]> {
    return (await this.#users.list()).map(toUserDocument)
  }

  /** Returns the newest audit entries, newest first. */
  async listAuditEntries(limit: number) {
    return (await this.#users.auditEntries(limit)).map(({ at, ...entry }) => ({
      at: toIsoString(at),
      ...entry,
    }))
  }

  toDocument(user: User): UserDocument {
    return toUserDocument(user)
  }

  /** @throws LicensingError ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND */
  async add(input: UserInput): Promise<{ name: string; oneTimePassword: string }> {
    const name = validate(userNameSchema, input.name, 'user name')
    if (isAdministering(input.role) && input.virtualAccount !== null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'An administrator cannot be limited to one virtual account. Use the role user.',
      )
    if (!this.#supportsAccountScope && input.role === 'account-administrator')
      throw new LicensingError('INVALID_ARGUMENT', 'A device has no role account-administrator.')
    if (!this.#supportsAccountScope && (input.account !== null || input.virtualAccount !== null))
      throw new LicensingError('INVALID_ARGUMENT', 'Users of a device cannot be limited to a smart account.')
    const { user, password } = await this.#createUser({ ...input, name })
    if (!(await this.#users.add(user))) throw alreadyExistsError('user', `The user ${name} already exists.`)
    return { name, oneTimePassword: password }
  }

  /** Sets a new one-time password. @throws LicensingError NOT_FOUND */
  async reset(name: string): Promise<{ name: string; oneTimePassword: string }> {
    const oneTime = generateOneTimePassword()
    const password = await hashPassword(oneTime)
    // A password that the user sets at the same moment is overwritten.
    while (
      !(await this.#users.change(name, (await this.#require(name)).password, { password, mustChange: true }))
    );
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
    return { name, oneTimePassword: oneTime }
  }

  /** @throws LicensingError NOT_FOUND, LAST_ADMINISTRATOR */
  async remove(name: string): Promise<void> {
    const result = await this.#users.remove(name)
    if (result === 'unknown') throw notFoundError('user', `There is no user ${name}.`)
    if (result === 'last')
      throw new LicensingError('LAST_ADMINISTRATOR', `The user ${name} is the last administrator.`)
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
  }

  /** Sets another password and ends the user's other sessions. @throws LicensingError SIGN_IN_FAILED, PASSWORD_WEAK */
  async changePassword(
    { current, password }: { current: string; password: string },
    { name, session, address }: Caller,
  ): Promise<Record<string, never>> {
    const refundAttempt = await consumeAttempt(this.#attempts, { address, user: name })
    const user = await this.#require(name)
    if (!(await verifyPassword(current, user.password)))
      throw new LicensingError('SIGN_IN_FAILED', 'The current password is wrong.')
    await refundAttempt()
    assertStrongPassword(password, name)
    if (password === current)
      throw new LicensingError('PASSWORD_WEAK', 'The new password is the same as the current one.')
    const hash = await hashPassword(password)
    if (!(await this.#users.change(name, user.password, { password: hash, mustChange: false })))
      throw new LicensingError('SIGN_IN_FAILED', 'The current password was changed in the meantime.')
    await this.sessions.updatePasswordDigest(session, hash)
    if (name === INITIAL_USER) this.#onInitialPasswordUsed()
    return {}
  }

  async #createUser(input: UserInput): Promise<{ user: User; password: string }> {
    const password = generateOneTimePassword()
    const user = {
      ...input,
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
