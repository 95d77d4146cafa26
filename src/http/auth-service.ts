import type { Clock } from '../core/clock.ts'
import { alreadyExists, LicensingError, notFound } from '../core/errors.ts'
import { iso } from '../core/time.ts'
import { checked } from '../core/validate.ts'
import { userName, type userSchema } from './sign-in-schemas.ts'
import { plain, Told } from '../core/text.ts'
import type { Caller } from './procedures.ts'
import { beginGuess, type GuessStore, MemoryGuesses } from './login-rate-limiter.ts'
import { checkPassword, hashPassword, oneTimePassword, requireStrong } from './passwords.ts'
import {
  isStamped,
  MemorySessions,
  type SessionOf,
  Sessions,
  type SessionSecrets,
  type SessionStore,
} from './sessions.ts'
import type { AuditEntry, Role, User, UserStore } from './users.ts'
import type { z } from 'zod'

/** The user there is from the first start on. */
export const FIRST_USER = 'admin'

interface Wanted {
  readonly name: string
  readonly role: Role
  readonly account: string | null
  readonly virtualAccount: string | null
}

type UserDocument = z.infer<typeof userSchema>

const userDocument = ({ password: _, createdAt, signedInAt, ...user }: User): UserDocument => ({
  ...user,
  createdAt: iso(createdAt),
  signedInAt: iso(signedInAt),
})

/** Who may sign in, and who has: the front desk of a page. */
export class SignInDesk {
  readonly sessions: Sessions
  readonly #guesses: GuessStore
  readonly #users: UserStore
  readonly #clock: Clock
  readonly #reaches: boolean
  readonly #firstPasswordUsed: () => void
  readonly #told = new Told()

  /**
   * @param options `reaches`: whether users can be kept to a smart account; `firstPasswordUsed`: called when the one-time
   * password of the first user is good for nothing any more; `kept`: where sessions and wrong passwords are kept, in this
   * process unless given
   */
  constructor(
    users: UserStore,
    clock: Clock,
    options: {
      reaches: boolean
      firstPasswordUsed: () => void
      kept?: { sessions: SessionStore; guesses: GuessStore }
    },
  ) {
    this.sessions = new Sessions(options.kept?.sessions ?? new MemorySessions(() => clock.uptime()))
    this.#guesses = options.kept?.guesses ?? new MemoryGuesses(() => clock.uptime())
    this.#users = users
    this.#clock = clock
    this.#reaches = options.reaches
    this.#firstPasswordUsed = options.firstPasswordUsed
  }

  /** Makes the first user where there is none. @param keep keeps the one-time password, before the user is there */
  async begin(keep: (oneTimePassword: string) => void): Promise<void> {
    if ((await this.#users.list()).length > 0) return
    const { user, password } = await this.#made({
      name: FIRST_USER,
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
    const right = await beginGuess(this.#guesses, address)
    const user = await this.#users.find(name.trim())
    if (!(await checkPassword(password, user?.password ?? null)) || !user)
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is not right.')
    const signedInAt = this.#clock.wall()
    // Removed, or given another password, while this one was looked at.
    if (!(await this.#users.change(user.name, user.password, { signedInAt })))
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is not right.')
    await right()
    return { user: { ...user, signedInAt }, secrets: await this.sessions.begin(user.name, user.password) }
  }

  /** The user of a session; null when it is over: by time, or because the user or the password is another by now. */
  async userOf(session: SessionOf | null): Promise<User | null> {
    const user = session && (await this.#users.find(session.name))
    return user !== null && session !== null && isStamped(session, user.password) ? user : null
  }

  /** Whether there is such a user: what else is typed into the field of the name may be a password. */
  async knows(name: string): Promise<boolean> {
    return (await this.#users.find(name.trim())) !== null
  }

  /** Records what was done, and once a minute what the same caller was refused in the same way. */
  async record(deed: Omit<AuditEntry, 'at'>): Promise<void> {
    const { who, address, action, subject, outcome } = deed
    if (
      outcome !== 'done' &&
      !this.#told.isNew(`${who ?? ''} ${address} ${action} ${outcome}`, this.#clock.uptime())
    )
      return
    await this.#users.record({
      at: this.#clock.wall(),
      who,
      address,
      action: plain(action, 100),
      subject: plain(subject, 300),
      outcome,
    })
  }

  /** Returns the document of a user by name. @throws LicensingError NOT_FOUND */
  async profile(name: string): Promise<UserDocument> {
    return userDocument(await this.#require(name))
  }

  /** Who may sign in. */
  async list(): Promise<UserDocument[]> {
    return (await this.#users.list()).map(userDocument)
  }

  /** Who did what, and what was refused: the newest first. */
  async audit(limit: number) {
    return (await this.#users.auditEntries(limit)).map(({ at, ...deed }) => ({ at: iso(at), ...deed }))
  }

  /** What a user is told of themselves when they have signed in. */
  document(user: User): UserDocument {
    return userDocument(user)
  }

  /** @throws LicensingError ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND */
  async add(wanted: Wanted): Promise<{ name: string; oneTimePassword: string }> {
    const name = checked(userName, wanted.name, 'user name')
    if (wanted.role === 'administrator' && wanted.virtualAccount !== null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'An administrator is not kept to one virtual account: give the role user.',
      )
    if (!this.#reaches && (wanted.account !== null || wanted.virtualAccount !== null))
      throw new LicensingError('INVALID_ARGUMENT', 'A box has no smart accounts that users could be kept to.')
    const { user, password } = await this.#made({ ...wanted, name })
    if (!(await this.#users.add(user))) throw alreadyExists('user', `There is a user ${name} already.`)
    return { name, oneTimePassword: password }
  }

  /** A new one-time password. @throws LicensingError NOT_FOUND */
  async reset(name: string): Promise<{ name: string; oneTimePassword: string }> {
    const oneTime = oneTimePassword()
    const password = await hashPassword(oneTime)
    // Whoever sets a password of their own at the same moment loses it.
    while (
      !(await this.#users.change(name, (await this.#require(name)).password, { password, mustChange: true }))
    );
    if (name === FIRST_USER) this.#firstPasswordUsed()
    return { name, oneTimePassword: oneTime }
  }

  /** @throws LicensingError NOT_FOUND, LAST_ADMINISTRATOR */
  async remove(name: string): Promise<void> {
    const done = await this.#users.remove(name)
    if (done === 'unknown') throw notFound('user', `There is no user ${name}.`)
    if (done === 'last')
      throw new LicensingError('LAST_ADMINISTRATOR', `Without ${name} nobody could administer.`)
    if (name === FIRST_USER) this.#firstPasswordUsed()
  }

  /** Sets another password and ends the user's other sessions. @throws LicensingError SIGN_IN_FAILED, PASSWORD_WEAK */
  async changePassword(
    { current, password }: { current: string; password: string },
    { name, session, address }: Caller,
  ): Promise<Record<string, never>> {
    const right = await beginGuess(this.#guesses, address)
    const user = await this.#require(name)
    if (!(await checkPassword(current, user.password)))
      throw new LicensingError('SIGN_IN_FAILED', 'The present password is not right.')
    await right()
    requireStrong(password, name)
    if (password === current)
      throw new LicensingError('PASSWORD_WEAK', 'The new password is the one there was before.')
    const hash = await hashPassword(password)
    if (!(await this.#users.change(name, user.password, { password: hash, mustChange: false })))
      throw new LicensingError('SIGN_IN_FAILED', 'The present password is not right any more.')
    await this.sessions.restamp(session, hash)
    if (name === FIRST_USER) this.#firstPasswordUsed()
    return {}
  }

  async #made(wanted: Wanted): Promise<{ user: User; password: string }> {
    const password = oneTimePassword()
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
    throw notFound('user', `There is no user ${name}.`)
  }
}
