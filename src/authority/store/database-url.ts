import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { stripBrackets } from '../../core/host-name.ts'

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/** Time limits of the server for a transaction, in milliseconds, by the names of their settings. */
export interface ServerTimeouts {
  readonly statement_timeout: number
  readonly lock_timeout: number
  readonly idle_in_transaction_session_timeout: number
}

/** Parameters of libpq that need no settings here. */
const IGNORED: ReadonlySet<string> = new Set([
  'application_name',
  'channel_binding',
  'client_encoding',
  'connect_timeout',
  'fallback_application_name',
  'gssencmode',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'load_balance_hosts',
  'tcp_user_timeout',
])

const milliseconds = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .optional()
const text = z.string().min(1).optional()

/** The parameters of a URL, with the names of libpq, and the time limits of transactions. */
const parametersSchema = z.strictObject({
  host: text,
  port: text,
  user: text,
  password: z.string().optional(),
  dbname: text,
  options: text,
  sslmode: z.enum(SSL_MODES).optional(),
  sslrootcert: text,
  sslcert: text,
  sslkey: text,
  target_session_attrs: z.enum(['any', 'read-write', 'primary']).optional(),
  statement_timeout: milliseconds,
  lock_timeout: milliseconds,
  idle_in_transaction_session_timeout: milliseconds,
})

/** A PostgreSQL database, as its URL names it. Undefined values have the defaults of libpq. */
export interface DatabaseAddress {
  /** Servers in the order in which they are tried. A host that begins with `/` is a directory of sockets. */
  readonly servers: readonly { readonly host: string | undefined; readonly port: number | undefined }[]
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly options: string | undefined
  readonly sslMode: SslMode | undefined
  readonly sslRootCert: string | undefined
  readonly sslCert: string | undefined
  readonly sslKey: string | undefined
  /** True if only a server that takes writes is used. With several servers, it always is. */
  readonly requiresWriter: boolean
  readonly timeouts: Partial<ServerTimeouts>
}

/** The message omits the text, which may contain a password. */
const invalidUrl = (message: string) => new LicensingError('INVALID_ARGUMENT', message)

/** Percent codes of characters that end a password in a URL. */
const CODES: Readonly<Record<string, string>> = { '#': '%23', '/': '%2F', '?': '%3F', '%': '%25' }

/**
 * Parses a database URL as libpq does (PostgreSQL documentation, Connection URIs), with several hosts.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/s.exec(url) ?? []
  if (rest === undefined)
    throw invalidUrl('The database URL is invalid. Use the form postgres://USER@HOST[:PORT]/NAME.')
  requireEncodedPassword(rest)
  const [, authority = '', path = '', query = ''] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? []
  const at = authority.lastIndexOf('@')
  const [user = '', ...password] = at < 0 ? [] : authority.slice(0, at).split(':')
  const parameters = [...new URLSearchParams(query)].filter(([name]) => !IGNORED.has(name))
  const parsed = parametersSchema.safeParse(Object.fromEntries(parameters))
  if (!parsed.success) {
    const { path: [name] = [], code } = parsed.error.issues[0] ?? {}
    const keys = parsed.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys : [],
    )
    throw invalidUrl(
      code === 'unrecognized_keys'
        ? `The database URL has the unknown parameter ${JSON.stringify(keys[0]?.slice(0, 50))}.`
        : `The parameter ${String(name)} of the database URL is invalid.`,
    )
  }
  const given = parsed.data
  const servers = parseServers(authority.slice(at + 1), given.host, given.port)
  const { statement_timeout, lock_timeout, idle_in_transaction_session_timeout } = given
  return {
    servers,
    user: given.user ?? (decode(user) || undefined),
    password: given.password ?? (password.length === 0 ? undefined : decode(password.join(':'))),
    database: given.dbname ?? (decode(path) || undefined),
    options: given.options,
    sslMode: given.sslmode,
    sslRootCert: given.sslrootcert,
    sslCert: given.sslcert,
    sslKey: given.sslkey,
    requiresWriter: servers.length > 1 || (given.target_session_attrs ?? 'any') !== 'any',
    timeouts: {
      ...(statement_timeout !== undefined && { statement_timeout }),
      ...(lock_timeout !== undefined && { lock_timeout }),
      ...(idle_in_transaction_session_timeout !== undefined && { idle_in_transaction_session_timeout }),
    },
  }
}

/** Refuses a password with a character that would end it, since another server could be addressed. */
function requireEncodedPassword(rest: string): void {
  const [head = ''] = rest.split(/[#/?]/, 1)
  const delimiter = rest.charAt(head.length)
  const tail = rest.slice(head.length + 1)
  const isPasswordCut =
    delimiter === '#' ||
    (!head.includes('@') && /^[^=]*@/.test(tail)) ||
    (head.includes('@') && rest.includes('#'))
  const wrong = delimiter !== '' && isPasswordCut ? (rest.includes('#') ? '#' : delimiter) : ''
  if (wrong !== '')
    throw invalidUrl(
      `The database URL contains ${wrong} at a place where it is not allowed. Percent-encode it in a user name or password: write ${CODES[wrong] ?? ''}.`,
    )
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalidUrl(
      'The database URL contains % without two hexadecimal digits. Percent-encode it in a user name or password: write %25.',
    )
  }
}

function parseServers(
  hosts: string,
  hostParameter: string | undefined,
  portParameter: string | undefined,
): DatabaseAddress['servers'] {
  const ports = portParameter?.split(',') ?? []
  return (hostParameter ?? hosts).split(',').map((entry, index) => {
    const [, host = '', ownPort] =
      hostParameter === undefined ? (/^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []) : [entry, entry]
    const port = ownPort ?? ports[index] ?? ports[0]
    const isValid = (entry === '' || host !== '') && (port === undefined || /^\d{1,5}$/.test(port))
    if (!isValid) throw invalidUrl('The database URL has an invalid host or port.')
    return {
      host: host === '' ? undefined : stripBrackets(decode(host)),
      port: port === undefined ? undefined : Number(port),
    }
  })
}
