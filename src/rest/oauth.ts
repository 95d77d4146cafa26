import { z } from 'zod'
import { formatActor } from '../authority/events/actor.ts'
import { ACCESS_TOKEN_SECONDS } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { User } from '../http/users.ts'
import { LicensingError } from '../core/errors.ts'
import { consumeAttempt, type LoginAttemptStore } from '../http/login-rate-limiter.ts'
import { verifyPassword } from '../http/passwords.ts'

/** Paths where clients of Cisco's API request access tokens. */
export const TOKEN_PATHS = [
  '/as/token.oauth2',
  '/oauth2/default/v1/token',
  '/oauth/token',
  '/backend/oauth/token',
]

/** Error codes of RFC 6749 §5.2. The last one is for failures of this server. */
type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'temporarily_unavailable'

export type TokenResponse =
  | {
      readonly kind: 'granted'
      readonly accessToken: string
      /** Name of the token's holder, for the audit log. */
      readonly subject: string
    }
  | {
      readonly kind: 'refused'
      readonly status: 400 | 401 | 429
      readonly error: OAuthError
      readonly description: string
      readonly retryAfterMs?: number
      /** True where the client used the `Authorization` header. */
      readonly usedBasicAuth: boolean
    }

const text = z
  .string()
  .max(4_096, 'it is too long')
  .regex(/^[^\p{Cc}]*$/u, 'it contains control characters')
/** Schema of the parameters. Each occurs once and unknown ones are ignored (RFC 6749 §3.2). */
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

/** Reads the parameters from the body, the query and the header, each once. @throws TokenRefusal */
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
        throw toInvalidRequest(`The parameter ${name} occurs twice with different values.`)
      all[name] = value
    }
  }
  const basic = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(request.authorization ?? '')?.[1]
  if (basic === undefined) return all
  const [id, ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':')
  if (all.client_secret !== undefined) throw toInvalidRequest('The client credentials occur twice.')
  const client = parametersSchema.safeParse({
    client_id: decodeFormComponent(id ?? ''),
    client_secret: decodeFormComponent(rest.join(':')),
  })
  if (!client.success) throw toInvalidRequest('The Authorization header cannot be read.')
  return { ...all, ...client.data }
}

/** Decodes a form-encoded part of the header (RFC 6749 §2.3.1). Not every client encodes it. */
function decodeFormComponent(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '))
  } catch {
    return part
  }
}

/** Issues access tokens to clients and users (RFC 6749), and limits login attempts. */
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
    } catch (error) {
      if (error instanceof TokenRefusal) {
        const { status, error: code, message } = error
        return { kind: 'refused', status, error: code, description: message, usedBasicAuth }
      }
      if (error instanceof LicensingError && error.code === 'TOO_MANY_REQUESTS') {
        const { message, retryAfterMs = 60_000 } = error
        const refused = { kind: 'refused', status: 429, error: 'temporarily_unavailable' } as const
        return { ...refused, description: message, retryAfterMs, usedBasicAuth }
      }
      throw error
    }
  }

  async #grant(parameters: Parameters, address: string): Promise<TokenResponse> {
    const { grant_type: grant } = parameters
    if (grant === undefined || grant === '') throw toInvalidRequest('The parameter grant_type is missing.')
    if (grant !== 'client_credentials' && grant !== 'password')
      throw new TokenRefusal(
        400,
        'unsupported_grant_type',
        'The grant type must be client_credentials or password.',
      )
    const client = await this.#authenticateClient(parameters, address)
    if (grant === 'client_credentials' && client === null)
      throw toInvalidRequest('The client credentials are missing.')
    const user = grant === 'password' ? await this.#authenticateUser(parameters, address) : null
    const accessToken = await this.#authority.security.apiClients.issue({ client, user })
    if (accessToken === null)
      throw user
        ? new TokenRefusal(400, 'invalid_grant', 'The user name or the password is wrong.')
        : new TokenRefusal(401, 'invalid_client', 'The client or its secret is wrong.')
    return {
      kind: 'granted',
      accessToken,
      subject: user?.name ?? formatActor({ kind: 'api-client', name: client ?? '' }),
    }
  }

  /** Authenticates the client; null where the request has no client credentials. @throws TokenRefusal */
  async #authenticateClient(parameters: Parameters, address: string): Promise<string | null> {
    const { client_id: id, client_secret: secret } = parameters
    if (id === undefined && secret === undefined) return null
    if (id === undefined || secret === undefined)
      throw toInvalidRequest(`The parameter ${id === undefined ? 'client_id' : 'client_secret'} is missing.`)
    if (await this.#authority.security.apiClients.verify(id, secret)) return id
    // Only wrong secrets are counted. They are too long to guess, so a valid client is never blocked.
    await consumeAttempt(this.#loginAttempts, { address, user: null })
    throw new TokenRefusal(401, 'invalid_client', 'The client or its secret is wrong.')
  }

  /** Authenticates a user of the web console by name and password. @throws TokenRefusal */
  async #authenticateUser({ username, password }: Parameters, address: string): Promise<User> {
    if (username === undefined || password === undefined)
      throw toInvalidRequest(`The parameter ${username === undefined ? 'username' : 'password'} is missing.`)
    const refundAttempt = await consumeAttempt(this.#loginAttempts, { address, user: username })
    const user = await this.#authority.security.users.find(username.trim())
    if (!(await verifyPassword(password, user?.password ?? null)) || !user)
      throw new TokenRefusal(400, 'invalid_grant', 'The user name or the password is wrong.')
    await refundAttempt()
    if (user.mustChange)
      throw new TokenRefusal(
        400,
        'invalid_grant',
        'The one-time password must first be changed in the web console.',
      )
    return user
  }
}

/** Formats the response body (RFC 6749 §5.1 and §5.2). */
export const toTokenBody = (answer: TokenResponse): object =>
  answer.kind === 'granted'
    ? { access_token: answer.accessToken, token_type: 'Bearer', expires_in: ACCESS_TOKEN_SECONDS }
    : { error: answer.error, error_description: answer.description }
