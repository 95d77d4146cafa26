import { z } from 'zod'
import { formatActor } from '../authority/events/actor.ts'
import { ACCESS_TOKEN_SECONDS } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { User } from '../http/users.ts'
import { LicensingError } from '../core/errors.ts'
import { consumeAttempt, type LoginAttemptStore } from '../http/login-rate-limiter.ts'
import { verifyPassword } from '../http/passwords.ts'

/** Where the field's clients ask for access tokens. */
export const TOKEN_PATHS = [
  '/as/token.oauth2',
  '/oauth2/default/v1/token',
  '/oauth/token',
  '/backend/oauth/token',
]

/** RFC 6749 §5.2, and the last for what fails here. */
type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'temporarily_unavailable'

/** What is answered to a request for an access token. */
export type TokenResponse =
  | {
      readonly kind: 'granted'
      readonly accessToken: string
      /** Whose it is, for the records. */
      readonly subject: string
    }
  | {
      readonly kind: 'refused'
      readonly status: 400 | 401 | 429
      readonly error: OAuthError
      readonly description: string
      readonly retryAfterMs?: number
      /** The client tried to say who it is by the header. */
      readonly usedBasicAuth: boolean
    }

const text = z
  .string()
  .max(4_096, 'it is too long')
  .regex(/^[^\p{Cc}]*$/u, 'it holds signs that are none of a text')
/** RFC 6749 §3.2: no parameter comes more than once, and those that are not known are passed over. */
const parametersSchema = z.object({
  grant_type: text.optional(),
  client_id: text.optional(),
  client_secret: text.optional(),
  username: text.optional(),
  password: text.optional(),
})
type Parameters = z.output<typeof parametersSchema>

class TokenRefusal extends Error {
  readonly status: 400 | 401
  readonly error: OAuthError
  constructor(status: 400 | 401, error: OAuthError, description: string) {
    super(description)
    this.status = status
    this.error = error
  }
}

const toInvalidRequest = (description: string) => new TokenRefusal(400, 'invalid_request', description)

/** What a request says: in its body, in its query, and in its header, each thing once. @throws Refused */
function readParameters(request: {
  body: unknown
  query: unknown
  authorization: string | undefined
}): Parameters {
  const all: Parameters = {}
  for (const [where, raw] of [
    ['body', request.body],
    ['query', request.query],
  ] as const) {
    const read = parametersSchema.safeParse(raw ?? {})
    if (!read.success) throw toInvalidRequest(`A parameter of the ${where} cannot be read.`)
    for (const name of Object.keys(parametersSchema.shape) as (keyof Parameters)[]) {
      const value = read.data[name]
      if (value === undefined) continue
      if (all[name] !== undefined && all[name] !== value)
        throw toInvalidRequest(`The parameter ${name} came twice, and not the same.`)
      all[name] = value
    }
  }
  const basic = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(request.authorization ?? '')?.[1]
  if (basic === undefined) return all
  const [id, ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':')
  if (all.client_secret !== undefined) throw toInvalidRequest('The client says twice who it is.')
  const client = parametersSchema.safeParse({
    client_id: decodeFormComponent(id ?? ''),
    client_secret: decodeFormComponent(rest.join(':')),
  })
  if (!client.success) throw toInvalidRequest('The header cannot be read.')
  return { ...all, ...client.data }
}

/** RFC 6749 §2.3.1: both are form-encoded first, by clients that know it. */
function decodeFormComponent(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '))
  } catch {
    return part
  }
}

/** Gives access tokens to clients and to people (RFC 6749), and slows down who guesses. */
export class TokenEndpoint {
  readonly #authority: Authority
  readonly #loginAttempts: LoginAttemptStore

  constructor(authority: Authority, loginAttempts: LoginAttemptStore) {
    this.#authority = authority
    this.#loginAttempts = loginAttempts
  }

  /** @throws LicensingError STORE_* */
  async answer(request: {
    body: unknown
    query: unknown
    authorization: string | undefined
    address: string
  }): Promise<TokenResponse> {
    const usedBasicAuth = /^basic /i.test(request.authorization ?? '')
    try {
      return await this.#grant(readParameters(request), request.address)
    } catch (thrown) {
      if (thrown instanceof TokenRefusal) {
        const { status, error, message } = thrown
        return { kind: 'refused', status, error, description: message, usedBasicAuth }
      }
      if (thrown instanceof LicensingError && thrown.code === 'TOO_MANY_REQUESTS') {
        const { message, retryAfterMs = 60_000 } = thrown
        const refused = { kind: 'refused', status: 429, error: 'temporarily_unavailable' } as const
        return { ...refused, description: message, retryAfterMs, usedBasicAuth }
      }
      throw thrown
    }
  }

  async #grant(parameters: Parameters, address: string): Promise<TokenResponse> {
    const { grant_type: grant } = parameters
    if (grant === undefined || grant === '') throw toInvalidRequest('The parameter grant_type is missing.')
    if (grant !== 'client_credentials' && grant !== 'password')
      throw new TokenRefusal(
        400,
        'unsupported_grant_type',
        'Access tokens are given for client_credentials and for a password.',
      )
    const client = await this.#authenticateClient(parameters, address)
    if (grant === 'client_credentials' && client === null)
      throw toInvalidRequest('The client does not say who it is.')
    const person = grant === 'password' ? await this.#authenticateUser(parameters, address) : null
    const accessToken = await this.#authority.security.apiClients.issue({ client, user: person })
    if (accessToken === null)
      throw person
        ? new TokenRefusal(400, 'invalid_grant', 'The user name or the password is not right.')
        : new TokenRefusal(401, 'invalid_client', 'The client or its secret is not right.')
    return {
      kind: 'granted',
      accessToken,
      subject: person?.name ?? formatActor({ kind: 'api-client', name: client ?? '' }),
    }
  }

  /** The client that says who it is; null when none does. @throws Refused */
  async #authenticateClient(parameters: Parameters, address: string): Promise<string | null> {
    const { client_id: id, client_secret: secret } = parameters
    if (id === undefined && secret === undefined) return null
    if (id === undefined || secret === undefined)
      throw toInvalidRequest(`The parameter ${id === undefined ? 'client_id' : 'client_secret'} is missing.`)
    if (await this.#authority.security.apiClients.verify(id, secret)) return id
    // Nobody guesses one, and nobody who has one is held up by those who try.
    await consumeAttempt(this.#loginAttempts, address)
    throw new TokenRefusal(401, 'invalid_client', 'The client or its secret is not right.')
  }

  /** Who signs in at the page, by name and password. @throws Refused */
  async #authenticateUser({ username, password }: Parameters, address: string): Promise<User> {
    if (username === undefined || password === undefined)
      throw toInvalidRequest(`The parameter ${username === undefined ? 'username' : 'password'} is missing.`)
    const right = await consumeAttempt(this.#loginAttempts, address)
    const person = await this.#authority.security.users.find(username.trim())
    if (!(await verifyPassword(password, person?.password ?? null)) || !person)
      throw new TokenRefusal(400, 'invalid_grant', 'The user name or the password is not right.')
    await right()
    if (person.mustChange)
      throw new TokenRefusal(
        400,
        'invalid_grant',
        'The one-time password is good for setting another one only: at the page.',
      )
    return person
  }
}

/** RFC 6749 §5.1 and §5.2. */
export const toTokenBody = (answer: TokenResponse): object =>
  answer.kind === 'granted'
    ? { access_token: answer.accessToken, token_type: 'Bearer', expires_in: ACCESS_TOKEN_SECONDS }
    : { error: answer.error, error_description: answer.description }
