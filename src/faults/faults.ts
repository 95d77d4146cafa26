import type { ErrorCode } from '../core/errors.ts'
import type { Deadlines } from '../transports/connection.ts'

/** HTTP response of the authority. */
export interface Reply {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Response with faults that a device receives. Servers and MSW implement each kind in their own way. */
export type Delivery =
  | ({ readonly kind: 'reply' } & Reply)
  /** The connection is closed before the first byte of the answer. */
  | { readonly kind: 'reset' }
  /** The request is accepted and never answered. */
  | { readonly kind: 'timeout' }
  /** The connection is closed in the middle of the answer. */
  | { readonly kind: 'truncated'; readonly body: string }
  /** The answer starts and never ends, one byte at a time. */
  | { readonly kind: 'dripping'; readonly body: string }

/** Context of a fault, without access to the authority's signing, verification and counting. */
export interface FaultContext {
  /** Lets the authority process the request. A fault calls it at most once. */
  readonly decide: () => Promise<Reply>
  /** Last successful answer to a request of the same type. */
  readonly earlier: Reply | undefined
  /** Signs an answer again as an untrusted authority. */
  readonly resignUntrusted: (reply: Reply) => Promise<Reply>
}

interface FaultDescription {
  readonly meaning: string
  /** Error code that an agent reports; null for a fault that is not a failure by itself. */
  readonly code: ErrorCode | null
  /** True if the authority has processed the request, whose result the device must neither lose nor repeat. */
  readonly afterDecision: boolean
  /** Time limit of the agent that ends the fault. Null for a fault that shows at once */
  readonly endedBy: keyof Deadlines | null
}

/** Fault of the answer, which an authority or a mock injects. */
interface AnswerFault extends FaultDescription {
  readonly layer: 'answer'
  readonly inject: (scene: FaultContext) => Promise<Delivery> | Delivery
}

/** Fault of the connection, which requires real sockets, TLS or a proxy. */
interface ConnectionFault extends FaultDescription {
  readonly layer: 'name' | 'connection' | 'proxy'
}

const JSON_HEADERS = { 'content-type': 'application/json' }
const createReply = (status: number, body: string, headers: Record<string, string> = {}): Delivery => ({
  kind: 'reply',
  status,
  headers,
  body,
})
const createAnswerFault = (
  code: ErrorCode | null,
  meaning: string,
  inject: AnswerFault['inject'],
  {
    afterDecision = false,
    endedBy = null,
  }: Partial<Pick<FaultDescription, 'afterDecision' | 'endedBy'>> = {},
): AnswerFault => ({ layer: 'answer', meaning, code, afterDecision, endedBy, inject })
/** Creates a fault that lets the authority process the request and then changes the answer. */
const corruptAnswer = (
  code: ErrorCode,
  meaning: string,
  how: (body: string) => Delivery,
  endedBy: FaultDescription['endedBy'] = null,
): AnswerFault =>
  createAnswerFault(code, meaning, async ({ decide }) => how((await decide()).body), {
    afterDecision: true,
    endedBy,
  })
const createConnectionFault = (
  layer: ConnectionFault['layer'],
  code: ErrorCode,
  meaning: string,
  endedBy: FaultDescription['endedBy'] = null,
): ConnectionFault => ({ layer, meaning, code, afterDecision: false, endedBy })

/** Changes one character in a part of the signed answer. */
const tamper = (part: 'payload' | 'signature') => (body: string) => {
  const message = JSON.parse(body) as Record<string, string>
  const text = message[part] ?? ''
  const middle = Math.floor(text.length / 2)
  const other = text[middle] === 'A' ? 'B' : 'A'
  const changed = { ...message, [part]: `${text.slice(0, middle)}${other}${text.slice(middle + 1)}` }
  return createReply(200, JSON.stringify(changed), JSON_HEADERS)
}

/**
 * Catalog of faults between a device and its authority. The names are the same in mocks, in
 * `smart-authority serve --chaos` and in the fault API.
 */
export const faultCatalog = {
  // Answers of a faulty authority, or of an intermediary that answers in its place.
  delay: createAnswerFault(
    null,
    'the answer is valid and delayed',
    async ({ decide }) => ({
      kind: 'reply',
      ...(await decide()),
    }),
    { afterDecision: true },
  ),
  'network-error': createAnswerFault(
    'CONNECTION_RESET',
    'the connection is closed before the authority receives the request',
    () => ({ kind: 'reset' }),
  ),
  'lost-answer': corruptAnswer(
    'CONNECTION_RESET',
    'the authority processes the request, and the connection is closed before its answer starts',
    () => ({ kind: 'reset' }),
  ),
  silence: createAnswerFault(
    'TIMED_OUT',
    'the request is accepted and never answered',
    () => ({ kind: 'timeout' }),
    { endedBy: 'total' },
  ),
  dripping: corruptAnswer(
    'ANSWER_TOO_SLOW',
    'the answer starts and never ends, one byte at a time',
    (body) => ({ kind: 'dripping', body }),
    'total',
  ),
  truncated: corruptAnswer(
    'ANSWER_TRUNCATED',
    'the connection is closed in the middle of the answer',
    (body) => ({
      kind: 'truncated',
      body,
    }),
  ),
  'half-json': corruptAnswer(
    'ANSWER_NOT_JSON',
    'only half of the answer is sent, as a complete response',
    (body) => createReply(200, body.slice(0, body.length / 2), JSON_HEADERS),
  ),
  empty: corruptAnswer('ANSWER_NOT_JSON', 'the answer has no body', () => createReply(200, '', JSON_HEADERS)),
  oversize: createAnswerFault('ANSWER_TOO_LARGE', 'the answer exceeds the size limit', () =>
    createReply(200, 'x'.repeat(2 * 1024 * 1024), JSON_HEADERS),
  ),
  'captive-portal': createAnswerFault('ANSWER_NOT_JSON', 'an intermediary answers with an HTML page', () =>
    createReply(200, '<!doctype html><title>Please sign in</title>', { 'content-type': 'text/html' }),
  ),
  redirect: createAnswerFault('REDIRECTED', 'an intermediary redirects to another address', () =>
    createReply(302, '', { location: 'https://elsewhere.test/' }),
  ),
  error404: createAnswerFault(
    'AUTHORITY_REJECTED',
    'the address belongs to a server that is not an authority',
    () => createReply(404, 'not found'),
  ),
  error429: createAnswerFault('RATE_LIMITED', '429 with Retry-After of two minutes', () =>
    createReply(429, '', { 'retry-after': '120' }),
  ),
  error500: createAnswerFault('AUTHORITY_FAILED', 'the authority has an internal error', () =>
    createReply(500, 'oops'),
  ),
  error502: createAnswerFault('AUTHORITY_FAILED', 'a gateway cannot reach the authority behind it', () =>
    createReply(502, 'bad gateway'),
  ),
  error503: createAnswerFault('AUTHORITY_UNAVAILABLE', '503 with Retry-After of two minutes', () =>
    createReply(503, '', { 'retry-after': '120' }),
  ),
  'unsigned-refusal': createAnswerFault('ANSWER_MALFORMED', 'an attacker sends an unsigned refusal', () =>
    createReply(
      200,
      JSON.stringify({
        decision: { outcome: 'refused', code: 'INSTANCE_REMOVED', message: '', remedy: '' },
      }),
      JSON_HEADERS,
    ),
  ),
  'wrong-schema': createAnswerFault('ANSWER_MALFORMED', 'the answer is JSON with another schema', () =>
    createReply(200, '{"ok":true}', JSON_HEADERS),
  ),
  'tampered-payload': corruptAnswer(
    'ANSWER_SIGNATURE_INVALID',
    'a character of the payload is changed in transit',
    tamper('payload'),
  ),
  'tampered-signature': corruptAnswer(
    'ANSWER_SIGNATURE_INVALID',
    'a character of the signature is changed in transit',
    tamper('signature'),
  ),
  forged: createAnswerFault(
    'ANSWER_SIGNER_UNTRUSTED',
    'the valid answer is signed by an authority with another root',
    async ({ decide, resignUntrusted }) => ({ kind: 'reply', ...(await resignUntrusted(await decide())) }),
    { afterDecision: true },
  ),
  replayed: createAnswerFault(
    'ANSWER_WRONG_REQUEST',
    'an earlier answer to the same type of request is replayed',
    async ({ earlier, decide }) => ({ kind: 'reply', ...(earlier ?? (await decide())) }),
  ),

  // Names.
  'dns-unknown': createConnectionFault('name', 'DNS_FAILED', 'the name server does not know the name'),
  'dns-silence': createConnectionFault('name', 'DNS_FAILED', 'the name server does not answer', 'connect'),
  'dns-wrong': createConnectionFault(
    'name',
    'TLS_NAME_MISMATCH',
    'the name resolves to the address of another server',
  ),

  // Connections.
  refused: createConnectionFault('connection', 'CONNECTION_REFUSED', 'nothing listens at the address'),
  reset: createConnectionFault(
    'connection',
    'CONNECTION_RESET',
    'the connection is accepted, and reset when TLS starts',
  ),
  'tls-silence': createConnectionFault(
    'connection',
    'TIMED_OUT',
    'the connection is accepted, and TLS is never answered',
    'tls',
  ),
  'tls-plain-text': createConnectionFault(
    'connection',
    'TLS_PLAIN_TEXT',
    'a server without TLS listens on the port',
  ),
  'tls-expired': createConnectionFault(
    'connection',
    'TLS_EXPIRED',
    'the certificate has expired, or the clock of the device is ahead',
  ),
  'tls-not-yet-valid': createConnectionFault(
    'connection',
    'TLS_NOT_YET_VALID',
    'the certificate is not valid yet, or the clock of the device is behind',
  ),
  'tls-name-mismatch': createConnectionFault(
    'connection',
    'TLS_NAME_MISMATCH',
    'the certificate is for another name',
  ),
  'tls-untrusted': createConnectionFault(
    'connection',
    'TLS_UNTRUSTED',
    'the certificate belongs to an untrusted authority',
  ),
  'tls-inspected': createConnectionFault(
    'connection',
    'TLS_INSPECTED',
    'a middlebox terminates TLS with its own certificate',
  ),
  'tls-captive-portal': createConnectionFault(
    'connection',
    'TLS_INSPECTED',
    'a login page of the local network answers with the certificate of a public CA',
  ),

  // Proxies.
  'proxy-unreachable': createConnectionFault(
    'proxy',
    'PROXY_UNREACHABLE',
    'nothing listens at the address of the proxy',
  ),
  'proxy-auth-required': createConnectionFault(
    'proxy',
    'PROXY_AUTHENTICATION_REQUIRED',
    '407 to a device without a user name',
  ),
  'proxy-auth-refused': createConnectionFault(
    'proxy',
    'PROXY_AUTHENTICATION_REFUSED',
    '407 to a device with a user name',
  ),
  'proxy-ntlm': createConnectionFault(
    'proxy',
    'PROXY_AUTHENTICATION_REFUSED',
    '407: the proxy accepts only the accounts of a Windows domain',
  ),
  'proxy-unauthorized': createConnectionFault(
    'proxy',
    'PROXY_FORBIDDEN',
    '401: the proxy refuses the tunnel with the status of a web server',
  ),
  'proxy-forbidden': createConnectionFault(
    'proxy',
    'PROXY_FORBIDDEN',
    '403: the proxy does not allow a tunnel to the host',
  ),
  'proxy-bad-gateway': createConnectionFault(
    'proxy',
    'PROXY_BAD_GATEWAY',
    '502: the proxy cannot reach the authority',
  ),
  'proxy-unavailable': createConnectionFault(
    'proxy',
    'PROXY_BAD_GATEWAY',
    '503: the proxy cannot reach the authority, as Squid reports it',
  ),
  'proxy-gateway-timeout': createConnectionFault(
    'proxy',
    'PROXY_GATEWAY_TIMEOUT',
    '504: the authority does not answer the proxy',
  ),
  'proxy-silence': createConnectionFault(
    'proxy',
    'PROXY_TIMED_OUT',
    'the proxy accepts the connection and never answers',
    'proxy',
  ),
  'proxy-garbage': createConnectionFault('proxy', 'PROXY_FAILED', 'the server at the address is not a proxy'),
  'proxy-closed': createConnectionFault(
    'proxy',
    'PROXY_FAILED',
    'the proxy closes the connection without an answer',
  ),
} as const satisfies Record<string, AnswerFault | ConnectionFault>

export type FaultName = keyof typeof faultCatalog
type MatchingFaultName<P extends FaultDescription & { layer: string }> = {
  [N in FaultName]: (typeof faultCatalog)[N] extends P ? N : never
}[FaultName]
export type AnswerFaultName = MatchingFaultName<AnswerFault>
export type ConnectionFaultName = Exclude<FaultName, AnswerFaultName>

export const isFault = (name: string): name is FaultName => Object.hasOwn(faultCatalog, name)
export const isAnswerFault = (name: FaultName): name is AnswerFaultName =>
  faultCatalog[name].layer === 'answer'

/** Tells whether a fault is one of names, connections or proxies, which needs real sockets. */
export const isConnectionFault = (name: FaultName): name is ConnectionFaultName => !isAnswerFault(name)

/** Returns a fault in the form of the fault APIs. */
export function describeFault<N extends FaultName>(name: N) {
  const { layer, meaning, code, afterDecision } = faultCatalog[name]
  return { name, place: layer, meaning, code, decides: afterDecision }
}
