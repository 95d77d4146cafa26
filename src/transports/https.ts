import { errnoCode } from '../core/errno-code.ts'
import { Agent } from 'node:https'
import type { Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { isAxiosError } from 'axios'
import { LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { postByAxios } from './axios-post.ts'
import { type Destination, openConnection, resolveDeadlines } from './connection.ts'
import { startDeadline } from './deadline.ts'
import { createInterceptedError, createUnusedProxyError, toExchangeError, toStatusError } from './failures.ts'
import { toDestination, type ConnectionOptions } from './connection-options.ts'
import { PendingSocket } from './pending-socket.ts'
import type { Transport } from './transport.ts'

const MAX_ANSWER_BYTES = 1024 * 1024
/**
 * Time for which an idle connection stays open. An agent makes two or three exchanges at once, and the next ones
 * a month later.
 */
const KEEP_ALIVE_MS = 60 * SECOND

/** HTTPS agent that opens connections step by step, so that errors name the failed step. */
class TunnelingAgent extends Agent {
  readonly #destination: Destination
  readonly #readAuthority: ConnectionOptions['readAuthority']
  readonly #observer: ConnectionOptions['observer']
  /** Signal of the current exchange, which also cancels an attempt to connect. */
  signal: AbortSignal = AbortSignal.abort()
  /** True once a connection was opened. An answer before that came from an interceptor. */
  hasOpened = false
  /** Id of the authority that the next request is for, or null for any authority. */
  #expectedId: string | null = null
  /** Id of the authority of the last connection, or null if its certificate names none. */
  #authorityId: string | null = null

  constructor(to: Destination, { readAuthority, observer }: ConnectionOptions) {
    // TCP keep-alive probes once a minute instead of once a second.
    super({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: 1 })
    this.#destination = to
    this.#readAuthority = readAuthority
    this.#observer = observer
  }

  get #isExpectedAuthority(): boolean {
    return this.#expectedId === null || this.#authorityId === null || this.#authorityId === this.#expectedId
  }

  /** Sets the authority of the next requests, and closes a connection to another authority. */
  expect(authorityId: string | null): void {
    this.#expectedId = authorityId
    if (!this.#isExpectedAuthority) this.destroy()
  }

  /**
   * Opens a connection and calls back. If an interceptor such as MSW lets a request through, the request has the agent of
   * the interceptor, which needs a socket as the result instead.
   */
  override createConnection(
    { agent }: { readonly agent?: unknown },
    callback: (error: Error | null, socket?: unknown) => void,
  ): PendingSocket | undefined {
    const opening = this.#open()
    if (agent !== this) return new PendingSocket(opening)
    opening.then(
      (socket) => {
        callback(null, socket)
      },
      (error: unknown) => {
        callback(error instanceof Error ? error : new Error('The connection could not be opened.'))
      },
    )
    return undefined
  }

  /** @throws LicensingError TLS_WRONG_AUTHORITY if the server belongs to another authority than the expected one */
  async #open(): Promise<TLSSocket> {
    this.hasOpened = true
    this.#observer?.opening()
    const socket = await openConnection(this.#destination, this.signal, (step, found) => {
      this.#observer?.step(step, found)
    })
    const certificate = socket.getPeerX509Certificate()
    this.#authorityId = (certificate && this.#readAuthority?.(certificate)) ?? null
    if (this.#isExpectedAuthority) return socket
    socket.destroy()
    throw createWrongAuthorityError(this.#destination.host)
  }
}

const createWrongAuthorityError = (host: string) =>
  new LicensingError(
    'TLS_WRONG_AUTHORITY',
    `${host} is a server of another authority than the one that the request is for.`,
  )

const HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json',
  'accept-encoding': 'identity',
  'user-agent': 'smart-licensing-agent',
} as const

/** Creates the transport over HTTPS, direct or through a proxy's tunnel. One deadline covers a whole exchange. */
export function createHttpsTransport(options: ConnectionOptions): Transport {
  const maxBytes = options.maxBytes ?? MAX_ANSWER_BYTES
  const agent = new TunnelingAgent({ ...toDestination(options), session: { ticket: null } }, options)
  const { host } = new URL(options.url)
  let pendingDeadlines: ReturnType<typeof startDeadline>[] = []
  let isClosed = false
  let idleTimer: NodeJS.Timeout | undefined

  const exchange = async (
    path: string,
    body: string,
    traceparent: string | null = null,
    extraHeaders: Readonly<Record<string, string>> = {},
    authorityId: string | null = null,
  ): Promise<string> => {
    const deadline = startDeadline(resolveDeadlines(options.deadlines).total, options.clock)
    pendingDeadlines = [...pendingDeadlines, deadline]
    agent.signal = deadline.signal
    agent.expect(authorityId)
    const state = { begun: false }
    const send = () =>
      postByAxios({
        url: options.url,
        path,
        body,
        headers: { ...HEADERS, ...extraHeaders, ...(traceparent !== null && { traceparent }) },
        agent,
        maxBytes,
        signal: deadline.signal,
      })
    try {
      const { status, headers, data } = await send().catch((error: unknown) => {
        // The server may have closed a kept-alive connection, which is not a failure of the transport.
        if (isStaleSocketError(error)) return send()
        throw error
      })
      state.begun = true
      if (options.proxy && !agent.hasOpened) {
        data.destroy()
        throw createUnusedProxyError(options.url, options.proxy.url.host)
      }
      if (status !== 200) {
        data.destroy()
        const retryAfter: unknown = headers['retry-after']
        throw toStatusError(status, typeof retryAfter === 'string' ? retryAfter : undefined, host, Date.now())
      }
      return await readAnswer(data, host, deadline.signal, maxBytes)
    } catch (error) {
      throw toExchangeError(unwrapAxiosError(error, `${options.url}${path}`), host, {
        ...state,
        timedOut: deadline.signal.aborted,
        via: options.proxy?.url.host,
      })
    } finally {
      // Cancels an attempt to connect that is still in progress.
      deadline.abort()
      pendingDeadlines = pendingDeadlines.filter((pending) => pending !== deadline)
      scheduleIdleClose()
    }
  }

  /** Keeps the connection for the next exchange, or closes it once the transport is closed. */
  const scheduleIdleClose = () => {
    clearTimeout(idleTimer)
    if (pendingDeadlines.length > 0) return
    if (isClosed) agent.destroy()
    else
      idleTimer = setTimeout(() => {
        agent.destroy()
      }, KEEP_ALIVE_MS).unref()
  }

  return {
    post: exchange,
    close: ({ now = false } = {}) => {
      isClosed = true
      if (now) for (const deadline of pendingDeadlines) deadline.abort()
      scheduleIdleClose()
    },
  }
}

/** Reads the whole answer as text. @throws LicensingError ANSWER_TOO_LARGE beyond `maxBytes` */
async function readAnswer(
  stream: Readable,
  host: string,
  signal: AbortSignal,
  maxBytes: number,
): Promise<string> {
  const stop = () => {
    stream.destroy(new Error('The exchange exceeded its time limit.'))
  }
  signal.addEventListener('abort', stop)
  try {
    const chunks: Buffer[] = []
    let length = 0
    const { headers } = stream as Readable & { headers?: Record<string, string> }
    if (Number(headers?.['content-length']) > maxBytes) {
      stream.destroy()
      throw createTooLargeError(host, maxBytes)
    }
    for await (const chunk of stream) {
      const bytes = chunk as Buffer
      length += bytes.length
      if (length > maxBytes) throw createTooLargeError(host, maxBytes)
      chunks.push(bytes)
    }
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const createTooLargeError = (host: string, maxBytes: number) =>
  new LicensingError('ANSWER_TOO_LARGE', `The answer of ${host} exceeds ${maxBytes} bytes.`)

/** Beginning of the messages of MSW's own errors, which MSW throws for a request without a handler. */
const MSW_PREFIX = '[MSW]'

/** Unwraps the error of a connection step from an AxiosError, which must not be passed on because it contains headers. */
function unwrapAxiosError(error: unknown, url: string): unknown {
  if (error instanceof LicensingError) return error
  if (isAxiosError(error)) {
    if (error.message.startsWith(MSW_PREFIX)) return createInterceptedError(url)
    if (error.cause instanceof LicensingError) return error.cause
    return { code: error.code === 'ERR_BAD_RESPONSE' ? errnoCode(error.cause) : error.code }
  }
  return error
}

/** Returns true if an attempt failed on a connection that was kept alive after an earlier exchange. */
const isStaleSocketError = (error: unknown): boolean =>
  isAxiosError(error) &&
  (error.code === 'ECONNRESET' || error.code === 'EPIPE') &&
  error.response === undefined &&
  (error.request as { reusedSocket?: boolean } | undefined)?.reusedSocket === true
