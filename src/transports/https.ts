import { errnoCode } from '../core/errno-code.ts'
import { Agent } from 'node:https'
import type { Readable } from 'node:stream'
import { isAxiosError } from 'axios'
import { LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { postByAxios } from './axios-post.ts'
import { type Destination, openConnection } from './connection.ts'
import { startDeadline } from './deadline.ts'
import { exchangeFailure, statusFailure } from './failures.ts'
import { destinationOf, type RoadOptions } from './connection-options.ts'
import type { Transport } from './transport.ts'

/** One exchange, from the look-up of the name to the last byte, in milliseconds. */
const TOTAL_DEADLINE = 30 * SECOND
const LARGEST_ANSWER = 1024 * 1024
/** How long a connection is kept for the next exchange: they come in twos and threes, and then not for a month. */
const IDLE = 60 * SECOND

/** An https agent whose connections are made step by step, so that each step's failure is known for what it is. */
class RoadAgent extends Agent {
  readonly #to: Destination
  readonly #authorityOf: RoadOptions['authorityOf']
  /** Ends the attempt to connect together with the exchange it is for. */
  signal: AbortSignal = AbortSignal.abort()
  /** The authority that the next request is for; null where any may answer it. */
  #expected: string | null = null
  /** The authority that the last connection was made with; null where its certificate does not say. */
  #authority: string | null = null

  constructor(to: Destination, authorityOf: RoadOptions['authorityOf']) {
    // A connection that is kept is probed once a minute, not once a second.
    super({ keepAlive: true, keepAliveMsecs: IDLE, maxSockets: 1 })
    this.#to = to
    this.#authorityOf = authorityOf
  }

  get #isExpected(): boolean {
    return this.#expected === null || this.#authority === null || this.#authority === this.#expected
  }

  /** From here on requests are for an authority: a connection with another one is not used again. */
  expect(authorityId: string | null): void {
    this.#expected = authorityId
    if (!this.#isExpected) this.destroy()
  }

  override createConnection(
    _options: unknown,
    callback: (thrown: Error | null, socket?: unknown) => void,
  ): undefined {
    openConnection(this.#to, this.signal).then(
      (socket) => {
        const certificate = socket.getPeerX509Certificate()
        this.#authority = (certificate && this.#authorityOf?.(certificate)) ?? null
        if (this.#isExpected) callback(null, socket)
        else {
          socket.destroy()
          callback(wrongAuthority(this.#to.host))
        }
      },
      (thrown: unknown) => {
        callback(thrown instanceof Error ? thrown : new Error('no connection'))
      },
    )
  }
}

const wrongAuthority = (host: string) =>
  new LicensingError(
    'TLS_WRONG_AUTHORITY',
    `${host} is a server of another authority than the one the request is for.`,
  )

const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'smart-licensing-agent',
} as const

/** Creates the transport over HTTPS: straight, or through a proxy's tunnel. One deadline covers a whole exchange. */
export function httpsTransport(options: RoadOptions): Transport {
  const largest = options.largest ?? LARGEST_ANSWER
  const agent = new RoadAgent({ ...destinationOf(options), session: { ticket: null } }, options.authorityOf)
  const { host } = new URL(options.url)
  let underWay: ReturnType<typeof startDeadline>[] = []
  let closed = false
  let idle: NodeJS.Timeout | undefined

  const exchange = async (
    path: string,
    body: string,
    traceparent: string | null = null,
    more: Readonly<Record<string, string>> = {},
    authorityId: string | null = null,
  ): Promise<string> => {
    const deadline = startDeadline(options.deadline ?? TOTAL_DEADLINE)
    underWay = [...underWay, deadline]
    agent.signal = deadline.signal
    agent.expect(authorityId)
    const state = { begun: false }
    const send = () =>
      postByAxios({
        url: options.url,
        path,
        body,
        headers: { ...HEADERS, ...more, ...(traceparent !== null && { traceparent }) },
        agent,
        largest,
        signal: deadline.signal,
      })
    try {
      const { status, headers, data } = await send().catch((thrown: unknown) => {
        // A kept connection that the other side has closed meanwhile says nothing about the road.
        if (wasStale(thrown)) return send()
        throw thrown
      })
      state.begun = true
      if (status !== 200) {
        data.destroy()
        const retryAfter: unknown = headers['retry-after']
        throw statusFailure(status, typeof retryAfter === 'string' ? retryAfter : undefined, host, Date.now())
      }
      return await readAnswer(data, host, deadline.signal, largest)
    } catch (thrown) {
      throw exchangeFailure(ours(thrown), host, {
        ...state,
        timedOut: deadline.signal.aborted,
        via: options.proxy?.url.host,
      })
    } finally {
      // An attempt to connect that is still going on belongs to nobody any more.
      deadline.abort()
      underWay = underWay.filter((one) => one !== deadline)
      rest()
    }
  }

  /** Between exchanges a connection is kept for a while, and after the last not at all. */
  const rest = () => {
    clearTimeout(idle)
    if (underWay.length > 0) return
    if (closed) agent.destroy()
    else
      idle = setTimeout(() => {
        agent.destroy()
      }, IDLE).unref()
  }

  return {
    post: exchange,
    close: ({ now = false } = {}) => {
      closed = true
      if (now) for (const deadline of underWay) deadline.abort()
      rest()
    },
  }
}

/** The whole answer as text, as long as it comes, and no longer than any answer may be. */
async function readAnswer(
  stream: Readable,
  host: string,
  signal: AbortSignal,
  largest: number,
): Promise<string> {
  const stop = () => {
    stream.destroy(new Error('the time allowed is over'))
  }
  signal.addEventListener('abort', stop)
  try {
    const chunks: Buffer[] = []
    let length = 0
    const { headers } = stream as Readable & { headers?: Record<string, string> }
    if (Number(headers?.['content-length']) > largest) {
      stream.destroy()
      throw tooLarge(host, largest)
    }
    for await (const chunk of stream) {
      const bytes = chunk as Buffer
      length += bytes.length
      if (length > largest) throw tooLarge(host, largest)
      chunks.push(bytes)
    }
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const tooLarge = (host: string, largest: number) =>
  new LicensingError('ANSWER_TOO_LARGE', `${host} answers more than ${largest} bytes.`)

/** What a step of the road said, out of what axios has made of it; the original carries headers and stays behind. */
function ours(thrown: unknown): unknown {
  if (thrown instanceof LicensingError) return thrown
  if (isAxiosError(thrown)) {
    if (thrown.cause instanceof LicensingError) return thrown.cause
    return { code: thrown.code === 'ERR_BAD_RESPONSE' ? errnoCode(thrown.cause) : thrown.code }
  }
  return thrown
}

/** Whether an attempt failed on a connection that was kept from an earlier exchange. */
const wasStale = (thrown: unknown): boolean =>
  isAxiosError(thrown) &&
  (thrown.code === 'ECONNRESET' || thrown.code === 'EPIPE') &&
  thrown.response === undefined &&
  (thrown.request as { reusedSocket?: boolean } | undefined)?.reusedSocket === true
