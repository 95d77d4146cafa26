import type { Clock } from '../domain/clock.ts'
import { LicensingError } from '../domain/errors.ts'
import { iso } from '../domain/instant.ts'
import { commonContract, type userSchema } from './common-contract.ts'
import { type Caller, serve, type ServedContract } from './contract.ts'
import { Guesses } from './guesses.ts'
import { checkPassword, hashPassword, oneTimePassword, requireStrong } from './passwords.ts'
import { Sessions, type SessionSecrets } from './sessions.ts'
import type { Role, User, UserStore } from './users.ts'
import type { z } from 'zod'

/** The user there is from the first start on. */
export const FIRST_USER = 'admin'

type UserDocument = z.infer<typeof userSchema>

const userDocument = ({ password: _, createdAt, signedInAt, ...user }: User): UserDocument => ({
  ...user,
  createdAt: iso(createdAt),
  signedInAt: iso(signedInAt),
})

/** Who may sign in, and who has: the front desk of a page. */
export class SignInDesk {
  readonly sessions: Sessions
  readonly #guesses: Guesses
  readonly #users: UserStore
  readonly #clock: Clock
  readonly #firstPasswordUsed: () => void

  /** @param firstPasswordUsed called when the first user has set a password, and the one-time one is good for nothing */
  constructor(users: UserStore, clock: Clock, firstPasswordUsed: () => void = () => undefined) {
    this.sessions = new Sessions(() => clock.uptime())
    this.#guesses = new Guesses(() => clock.uptime())
    this.#users = users
    this.#clock = clock
    this.#firstPasswordUsed = firstPasswordUsed
  }

  /** Makes the first user where there is none. @param keep keeps the one-time password, before the user is there */
  async begin(keep: (oneTimePassword: string) => void): Promise<void> {
    if ((await this.#users.list()).length > 0) return
    await this.#make({ name: FIRST_USER, role: 'administrator', account: null, virtualAccount: null }, keep)
  }

  /** @throws LicensingError SIGN_IN_FAILED: the same words whatever was wrong; TOO_MANY_REQUESTS */
  async signIn(
    name: string,
    password: string,
    address: string,
  ): Promise<{ user: User; secrets: SessionSecrets }> {
    const right = this.#guesses.begin(address)
    const user = await this.#users.find(name.trim())
    if (!(await checkPassword(password, user?.password ?? null)) || !user)
      throw new LicensingError('SIGN_IN_FAILED', 'The user name or the password is not right.')
    right()
    const signedIn = { ...user, signedInAt: this.#clock.wall() }
    await this.#users.put(signedIn)
    return { user: signedIn, secrets: this.sessions.begin(user.name, user.password) }
  }

  /** The user of a session; null when it is over: by time, or because the user or the password is another by now. */
  async userOf(session: { name: string; stamp: string } | null): Promise<User | null> {
    const user = session && (await this.#users.find(session.name))
    return user !== null && user.password === session?.stamp ? user : null
  }

  async record(deed: {
    who: string | null
    address: string
    action: string
    about: string
    outcome: string
  }) {
    await this.#users.record({ at: this.#clock.wall(), ...deed })
  }

  /** The calls of the common contract, but for `sign-in`, which answers with a cookie too. */
  calls(): Omit<ServedContract<typeof commonContract>, 'sign-in'> {
    const { sessions } = this
    return {
      'sign-out': serve(commonContract['sign-out'], (_, { session }) => {
        sessions.end(session)
        return {}
      }),
      me: serve(commonContract.me, async (_, { name }) => userDocument(await this.#require(name))),
      'change-password': serve(commonContract['change-password'], (input, caller) =>
        this.#changePassword(input, caller),
      ),
      users: serve(commonContract.users, async (_, caller) => {
        requireEverything(caller)
        return { users: await this.list() }
      }),
      'user-add': serve(commonContract['user-add'], (input, caller) => {
        requireEverything(caller)
        return this.add(input)
      }),
      'user-reset': serve(commonContract['user-reset'], ({ name }, caller) => {
        requireEverything(caller)
        return this.reset(name)
      }),
      'user-remove': serve(commonContract['user-remove'], async ({ name }, caller) => {
        requireEverything(caller)
        await this.remove(name)
        return {}
      }),
      audit: serve(commonContract.audit, async ({ limit }, caller) => {
        requireEverything(caller)
        return { audit: await this.audit(limit) }
      }),
    }
  }

  /** Who may sign in. */
  async list(): Promise<UserDocument[]> {
    return (await this.#users.list()).map(userDocument)
  }

  /** Who did what, and what was refused: the newest first. */
  async audit(limit: number) {
    return (await this.#users.deeds(limit)).map(({ at, ...deed }) => ({ at: iso(at), ...deed }))
  }

  /** What a user is told of themselves when they have signed in. */
  document(user: User): UserDocument {
    return userDocument(user)
  }

  /** @throws LicensingError USER_EXISTS, INVALID_ARGUMENT, ACCOUNT_UNKNOWN, VIRTUAL_ACCOUNT_UNKNOWN */
  async add(wanted: { name: string; role: Role; account: string | null; virtualAccount: string | null }) {
    if (await this.#users.find(wanted.name))
      throw new LicensingError('USER_EXISTS', `There is a user ${wanted.name} already.`)
    if (wanted.role === 'administrator' && wanted.virtualAccount !== null)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'An administrator is not kept to one virtual account: give the role user.',
      )
    return this.#make(wanted)
  }

  /** A new one-time password. @throws LicensingError USER_UNKNOWN */
  async reset(name: string): Promise<{ name: string; oneTimePassword: string }> {
    const user = await this.#require(name)
    const password = oneTimePassword()
    await this.#users.put({ ...user, password: await hashPassword(password), mustChange: true })
    return { name, oneTimePassword: password }
  }

  /** @throws LicensingError USER_UNKNOWN, LAST_ADMINISTRATOR */
  async remove(name: string): Promise<void> {
    await this.#require(name)
    const left = (await this.#users.list()).filter((user) => user.name !== name)
    if (!left.some(({ role, account }) => role === 'administrator' && account === null))
      throw new LicensingError('LAST_ADMINISTRATOR', `Without ${name} nobody could administer.`)
    await this.#users.remove(name)
  }

  async #changePassword(
    { current, password }: { current: string; password: string },
    { name, session, address }: Caller,
  ): Promise<Record<string, never>> {
    const right = this.#guesses.begin(address)
    const user = await this.#require(name)
    if (!(await checkPassword(current, user.password)))
      throw new LicensingError('SIGN_IN_FAILED', 'The present password is not right.')
    right()
    requireStrong(password, name)
    if (password === current)
      throw new LicensingError('PASSWORD_WEAK', 'The new password is the one there was before.')
    const hash = await hashPassword(password)
    await this.#users.put({ ...user, password: hash, mustChange: false })
    this.sessions.restamp(session, hash)
    if (name === FIRST_USER) this.#firstPasswordUsed()
    return {}
  }

  async #make(
    wanted: { name: string; role: Role; account: string | null; virtualAccount: string | null },
    keep: (oneTimePassword: string) => void = () => undefined,
  ) {
    const password = oneTimePassword()
    keep(password)
    await this.#users.put({
      ...wanted,
      password: await hashPassword(password),
      mustChange: true,
      createdAt: this.#clock.wall(),
      signedInAt: null,
    })
    return { name: wanted.name, oneTimePassword: password }
  }

  /** @throws LicensingError USER_UNKNOWN */
  async #require(name: string): Promise<User> {
    const user = await this.#users.find(name)
    if (user) return user
    throw new LicensingError('USER_UNKNOWN', `There is no user ${name}.`)
  }
}

/** Who may sign in is for those who administer everything there is. @throws LicensingError PERMISSION_DENIED */
function requireEverything({ name, account }: Caller): void {
  if (account === null) return
  throw new LicensingError('PERMISSION_DENIED', `${name} administers ${account} only.`)
}
