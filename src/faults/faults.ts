import type { ErrorCode } from '../core/errors.ts'

/** What the authority answered, or would have. */
export interface Reply {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** What reaches the box instead of an answer: whoever carries it (a server, MSW) does so in its own way. */
export type Delivery =
  | ({ readonly kind: 'reply' } & Reply)
  /** The connection is closed before a byte of an answer. */
  | { readonly kind: 'reset' }
  /** The request is taken, and nothing ever comes. */
  | { readonly kind: 'timeout' }
  /** The answer begins, and the connection is closed in its middle. */
  | { readonly kind: 'truncated'; readonly body: string }
  /** The answer begins, and comes a byte at a time without end. */
  | { readonly kind: 'dripping'; readonly body: string }

/** What a fault may use to do its harm. It has no hand on signing, verification or counting. */
export interface FaultContext {
  /** Lets the authority decide: asked for once at most. */
  readonly decide: () => Promise<Reply>
  /** The last good answer to a request of this type before this one. */
  readonly earlier: Reply | undefined
  /** The same answer, signed by an authority nobody here trusts. */
  readonly resignUntrusted: (reply: Reply) => Promise<Reply>
}

interface FaultDescription {
  readonly meaning: string
  /** The code an agent gives it; null for what is no failure by itself. */
  readonly code: ErrorCode | null
  /** Whether the authority has decided before the harm is done: the box must not lose or repeat it. */
  readonly afterDecision: boolean
}

/** A fault of the answer: an authority, or a mock of one, can do it. */
interface AnswerFault extends FaultDescription {
  readonly layer: 'answer'
  readonly inject: (scene: FaultContext) => Promise<Delivery> | Delivery
}

/** A fault of the road: it takes real sockets, TLS or a proxy. */
interface ConnectionFault extends FaultDescription {
  readonly layer: 'connection' | 'proxy'
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
  afterDecision = false,
): AnswerFault => ({ layer: 'answer', meaning, code, afterDecision, inject })
/** Decides first, then harms what was answered. */
const corruptAnswer = (code: ErrorCode, meaning: string, how: (body: string) => Delivery): AnswerFault =>
  createAnswerFault(code, meaning, async ({ decide }) => how((await decide()).body), true)
const createConnectionFault = (
  layer: ConnectionFault['layer'],
  code: ErrorCode,
  meaning: string,
): ConnectionFault => ({
  layer,
  meaning,
  code,
  afterDecision: false,
})

/** Flips one character in a part of the sealed answer. */
const tamper = (part: 'payload' | 'signature') => (body: string) => {
  const message = JSON.parse(body) as Record<string, string>
  const text = message[part] ?? ''
  const middle = Math.floor(text.length / 2)
  const other = text[middle] === 'A' ? 'B' : 'A'
  const changed = { ...message, [part]: `${text.slice(0, middle)}${other}${text.slice(middle + 1)}` }
  return createReply(200, JSON.stringify(changed), JSON_HEADERS)
}

/**
 * Everything that can go wrong between a box and its authority, by name. The same names everywhere: in a mock, in
 * `smart-authority serve --chaos`, and at its management address.
 */
export const faultCatalog = {
  // Answers: an authority that is unwell, or something before it that answers in its place.
  delay: createAnswerFault(
    null,
    'the answer is right, and comes later',
    async ({ decide }) => ({
      kind: 'reply',
      ...(await decide()),
    }),
    true,
  ),
  'network-error': createAnswerFault(
    'CONNECTION_RESET',
    'the connection breaks before the authority hears the request',
    () => ({ kind: 'reset' }),
  ),
  'lost-answer': corruptAnswer(
    'CONNECTION_RESET',
    'the authority decides, and the connection breaks before its answer begins',
    () => ({ kind: 'reset' }),
  ),
  silence: createAnswerFault('TIMED_OUT', 'the request is taken and never answered', () => ({
    kind: 'timeout',
  })),
  dripping: corruptAnswer('ANSWER_TOO_SLOW', 'the answer begins, and comes too slowly to end', (body) => ({
    kind: 'dripping',
    body,
  })),
  truncated: corruptAnswer(
    'ANSWER_TRUNCATED',
    'the connection breaks in the middle of the answer',
    (body) => ({
      kind: 'truncated',
      body,
    }),
  ),
  'half-json': corruptAnswer('ANSWER_NOT_JSON', 'half of the answer comes, as if it were the whole', (body) =>
    createReply(200, body.slice(0, body.length / 2), JSON_HEADERS),
  ),
  empty: corruptAnswer('ANSWER_NOT_JSON', 'the answer has no body', () => createReply(200, '', JSON_HEADERS)),
  oversize: createAnswerFault('ANSWER_TOO_LARGE', 'the answer is larger than any answer may be', () =>
    createReply(200, 'x'.repeat(2 * 1024 * 1024), JSON_HEADERS),
  ),
  'captive-portal': createAnswerFault(
    'ANSWER_NOT_JSON',
    'something on the way answers with a page for people',
    () => createReply(200, '<!doctype html><title>Please sign in</title>', { 'content-type': 'text/html' }),
  ),
  redirect: createAnswerFault('REDIRECTED', 'something on the way points elsewhere', () =>
    createReply(302, '', { location: 'https://elsewhere.test/' }),
  ),
  error404: createAnswerFault(
    'AUTHORITY_REJECTED',
    'the address leads to a server that knows nothing of licensing',
    () => createReply(404, 'not found'),
  ),
  error429: createAnswerFault('RATE_LIMITED', '429, with the wish to be asked again in two minutes', () =>
    createReply(429, '', { 'retry-after': '120' }),
  ),
  error500: createAnswerFault('AUTHORITY_FAILED', 'the authority fails inside', () =>
    createReply(500, 'oops'),
  ),
  error502: createAnswerFault('AUTHORITY_FAILED', 'a gateway does not reach the authority behind it', () =>
    createReply(502, 'bad gateway'),
  ),
  error503: createAnswerFault(
    'AUTHORITY_UNAVAILABLE',
    '503, with the wish to be asked again in two minutes',
    () => createReply(503, '', { 'retry-after': '120' }),
  ),
  'unsigned-refusal': createAnswerFault(
    'ANSWER_MALFORMED',
    'somebody on the way pretends that the authority refused',
    () =>
      createReply(
        200,
        JSON.stringify({
          decision: { outcome: 'refused', code: 'INSTANCE_REMOVED', message: '', remedy: '' },
        }),
        JSON_HEADERS,
      ),
  ),
  'wrong-schema': createAnswerFault('ANSWER_MALFORMED', 'the answer is JSON of another form', () =>
    createReply(200, '{"ok":true}', JSON_HEADERS),
  ),
  'tampered-payload': corruptAnswer(
    'ANSWER_SIGNATURE_INVALID',
    'a character of what was signed is changed on the way',
    tamper('payload'),
  ),
  'tampered-signature': corruptAnswer(
    'ANSWER_SIGNATURE_INVALID',
    'a character of the signature is changed on the way',
    tamper('signature'),
  ),
  forged: createAnswerFault(
    'ANSWER_SIGNER_UNTRUSTED',
    'the right answer, signed by an authority of another root',
    async ({ decide, resignUntrusted }) => ({ kind: 'reply', ...(await resignUntrusted(await decide())) }),
    true,
  ),
  replayed: createAnswerFault(
    'ANSWER_WRONG_REQUEST',
    'an earlier answer to the same kind of request is played again',
    async ({ earlier, decide }) => ({ kind: 'reply', ...(earlier ?? (await decide())) }),
  ),

  // Connections: what stands where the authority should.
  refused: createConnectionFault('connection', 'CONNECTION_REFUSED', 'nothing listens at the address'),
  reset: createConnectionFault(
    'connection',
    'CONNECTION_RESET',
    'the connection is taken, and reset when TLS begins',
  ),
  'tls-silence': createConnectionFault(
    'connection',
    'TIMED_OUT',
    'the connection is taken, and TLS is never answered',
  ),
  'tls-plain-text': createConnectionFault(
    'connection',
    'TLS_PLAIN_TEXT',
    'a server without TLS stands on the port',
  ),
  'tls-expired': createConnectionFault(
    'connection',
    'TLS_EXPIRED',
    'the certificate has expired, or the clock of the box is ahead',
  ),
  'tls-not-yet-valid': createConnectionFault(
    'connection',
    'TLS_NOT_YET_VALID',
    'the certificate is not valid yet, or the clock of the box is behind',
  ),
  'tls-name-mismatch': createConnectionFault(
    'connection',
    'TLS_NAME_MISMATCH',
    'the certificate is for another name',
  ),
  'tls-untrusted': createConnectionFault('connection', 'TLS_UNTRUSTED', 'another authority stands there'),
  'tls-inspected': createConnectionFault(
    'connection',
    'TLS_INSPECTED',
    'a middlebox opens TLS with a certificate of its own',
  ),

  // Proxies.
  'proxy-unreachable': createConnectionFault(
    'proxy',
    'PROXY_UNREACHABLE',
    'nothing listens where the proxy should',
  ),
  'proxy-auth-required': createConnectionFault(
    'proxy',
    'PROXY_AUTHENTICATION_REQUIRED',
    '407 to a box without a user name',
  ),
  'proxy-auth-refused': createConnectionFault(
    'proxy',
    'PROXY_AUTHENTICATION_REFUSED',
    '407 to a box with a user name',
  ),
  'proxy-forbidden': createConnectionFault('proxy', 'PROXY_FORBIDDEN', '403: no tunnel to that host'),
  'proxy-bad-gateway': createConnectionFault(
    'proxy',
    'PROXY_BAD_GATEWAY',
    '502: the proxy does not reach the authority',
  ),
  'proxy-unavailable': createConnectionFault('proxy', 'PROXY_BAD_GATEWAY', '503, as Squid says it'),
  'proxy-gateway-timeout': createConnectionFault(
    'proxy',
    'PROXY_GATEWAY_TIMEOUT',
    '504: the authority does not answer the proxy',
  ),
  'proxy-silence': createConnectionFault(
    'proxy',
    'PROXY_TIMED_OUT',
    'the proxy takes the connection and says nothing',
  ),
  'proxy-garbage': createConnectionFault('proxy', 'PROXY_FAILED', 'what answers there is not a proxy'),
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
