import { delay, HttpResponse } from 'msw'
import type { ErrorCode } from '../src/domain/errors.ts'
import type { RequestType } from '../src/protocol/messages.ts'

/** What the authority answered, or would have. */
export interface Reply {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** What a fault may use to do its harm. */
interface Scene {
  /** Lets the authority decide: asked for once at most. */
  readonly decide: () => Promise<Reply>
  /** The last good answer to a request of this type before this one. */
  readonly earlier: Reply | undefined
  /** The same answer, signed by an authority nobody here trusts. */
  readonly forge: (reply: Reply) => Promise<Reply>
}

interface Fault {
  readonly meaning: string
  /** Whether the authority has decided before the harm is done: the box must not lose or repeat it. */
  readonly decides: boolean
  /** The code an agent gives it. */
  readonly code: ErrorCode
  readonly respond: (scene: Scene) => Promise<Response> | Response
}

export const asResponse = ({ status, headers, body }: Reply): Response =>
  new HttpResponse(body, { status, headers })

const json = { headers: { 'content-type': 'application/json' } }

/** Decides first, then harms what was answered. */
const harm =
  (how: (reply: Reply) => Response) =>
  async ({ decide }: Scene): Promise<Response> =>
    how(await decide())

/** Flips one character in a part of the sealed answer. */
const tamper = (part: 'protected' | 'payload' | 'signature') =>
  harm(({ body }) => {
    const sealed = JSON.parse(body) as Record<string, string>
    const text = sealed[part] ?? ''
    const middle = Math.floor(text.length / 2)
    const other = text[middle] === 'A' ? 'B' : 'A'
    const changed = { ...sealed, [part]: `${text.slice(0, middle)}${other}${text.slice(middle + 1)}` }
    return new HttpResponse(JSON.stringify(changed), json)
  })

/**
 * The catalogue: everything that can go wrong with an authority's answer, by name, with the code an agent gives
 * it. Faults of the road itself (names, sockets, TLS, proxies) need a real one, and are not here.
 */
export const faultCatalogue = {
  'network-error': {
    meaning: 'the connection breaks before the authority hears the request',
    decides: false,
    code: 'CONNECTION_RESET',
    respond: () => HttpResponse.error(),
  },
  'lost-answer': {
    meaning: 'the authority decides, and the connection breaks before its answer arrives',
    decides: true,
    code: 'CONNECTION_RESET',
    respond: harm(() => HttpResponse.error()),
  },
  silence: {
    meaning: 'the request is taken and never answered',
    decides: false,
    code: 'TIMED_OUT',
    respond: async () => {
      await delay('infinite')
      return HttpResponse.error()
    },
  },
  truncated: {
    meaning: 'the answer ends in its middle',
    decides: true,
    code: 'ANSWER_NOT_JSON',
    respond: harm(({ body }) => new HttpResponse(body.slice(0, body.length / 2), json)),
  },
  empty: {
    meaning: 'the answer has no body',
    decides: true,
    code: 'ANSWER_NOT_JSON',
    respond: harm(() => new HttpResponse('', json)),
  },
  oversize: {
    meaning: 'the answer is larger than any answer may be',
    decides: false,
    code: 'ANSWER_TOO_LARGE',
    respond: () => new HttpResponse('x'.repeat(2 * 1024 * 1024), json),
  },
  'captive-portal': {
    meaning: 'something on the way answers with a page for people',
    decides: false,
    code: 'ANSWER_NOT_JSON',
    respond: () =>
      new HttpResponse('<!doctype html><title>Please sign in</title>', {
        headers: { 'content-type': 'text/html' },
      }),
  },
  redirect: {
    meaning: 'something on the way points elsewhere',
    decides: false,
    code: 'REDIRECTED',
    respond: () => new HttpResponse(null, { status: 302, headers: { location: 'https://elsewhere.test/' } }),
  },
  'not-found': {
    meaning: 'the address leads to a server that knows nothing of licensing',
    decides: false,
    code: 'AUTHORITY_REJECTED',
    respond: () => new HttpResponse('not found', { status: 404 }),
  },
  'rate-limited': {
    meaning: '429, with the wish to be asked again in two minutes',
    decides: false,
    code: 'RATE_LIMITED',
    respond: () => new HttpResponse(null, { status: 429, headers: { 'retry-after': '120' } }),
  },
  unavailable: {
    meaning: '503, with the wish to be asked again in two minutes',
    decides: false,
    code: 'AUTHORITY_UNAVAILABLE',
    respond: () => new HttpResponse(null, { status: 503, headers: { 'retry-after': '120' } }),
  },
  'server-error': {
    meaning: 'the authority fails inside',
    decides: false,
    code: 'AUTHORITY_FAILED',
    respond: () => new HttpResponse('oops', { status: 500 }),
  },
  'unsigned-refusal': {
    meaning: 'somebody on the way pretends that the authority refused',
    decides: false,
    code: 'ANSWER_MALFORMED',
    respond: () =>
      HttpResponse.json({
        decision: { outcome: 'refused', code: 'INSTANCE_REMOVED', message: '', remedy: '' },
      }),
  },
  'wrong-schema': {
    meaning: 'the answer is JSON of another form',
    decides: false,
    code: 'ANSWER_MALFORMED',
    respond: () => HttpResponse.json({ ok: true }),
  },
  'tampered-payload': {
    meaning: 'a character of what was signed is changed on the way',
    decides: true,
    code: 'ANSWER_SIGNATURE_INVALID',
    respond: tamper('payload'),
  },
  'tampered-signature': {
    meaning: 'a character of the signature is changed on the way',
    decides: true,
    code: 'ANSWER_SIGNATURE_INVALID',
    respond: tamper('signature'),
  },
  forged: {
    meaning: 'the right answer, signed by an authority of another root',
    decides: true,
    code: 'ANSWER_SIGNER_UNTRUSTED',
    respond: async ({ decide, forge }) => asResponse(await forge(await decide())),
  },
  replayed: {
    meaning: 'an earlier answer to the same kind of request is played again',
    decides: false,
    code: 'ANSWER_WRONG_REQUEST',
    respond: async ({ earlier, decide }) => asResponse(earlier ?? (await decide())),
  },
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faultCatalogue

/** A fault to come: at which kind of request, and how often. */
export interface PlannedFault {
  readonly fault: FaultName
  /** Every kind unless given. */
  readonly on?: RequestType
  /** Always unless given. */
  readonly times?: number
}
