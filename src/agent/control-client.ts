import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { startDeadline, withTimeout } from '../transports/deadline.ts'
import { type ClientUpdate, clientUpdateSchema } from './client-feed.ts'
import { connectToDaemon, onLines } from './control.ts'

/** Delays between attempts to connect: doubled after each failure, half of each is random. */
const MIN_RECONNECT_DELAY_MS = 50
const MAX_RECONNECT_DELAY_MS = 2 * SECOND
/** Maximum wait for the first answer on a new connection. */
const SUBSCRIBE_TIMEOUT_MS = 5 * SECOND
/** Silence after which the client asks whether the agent still answers. */
const PING_INTERVAL_MS = 10 * SECOND
/** Unanswered pings after which the connection counts as lost. */
const MAX_MISSED_PINGS = 2

const lineSchema = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z
    .object({ code: z.string(), message: z.string(), remedy: z.string(), resource: z.string().optional() })
    .optional(),
  update: clientUpdateSchema.optional(),
})

interface PendingRequest {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: LicensingError) => void
}

interface ControlClientEvents {
  /** Emitted after the first state of a new connection was received. */
  connected: [ClientUpdate]
  update: [ClientUpdate]
  disconnected: []
}

interface ControlClientOptions {
  readonly clock: Clock
  readonly reconnect: boolean
  readonly keepAlive: boolean
}

const agentUnreachableError = (message: string): LicensingError =>
  new LicensingError('DAEMON_UNREACHABLE', message)

/**
 * Connection to the control socket of an agent that is subscribed to its state. After a loss, the connection is made again
 * with increasing delays.
 */
export class ControlClient {
  readonly events = new EventEmitter<ControlClientEvents>()
  readonly #dataDir: string
  readonly #options: ControlClientOptions
  readonly #pending = new Map<number, PendingRequest>()
  #socket: Socket | null = null
  #isReady = false
  #isClosed = false
  #lastId = 0
  #lastRow: number | null = null
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #heardAt = 0
  #missedPings = 0

  constructor(dataDir: string, options: ControlClientOptions) {
    this.#dataDir = dataDir
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#isReady
  }

  /**
   * Connects for the first time. Tries again until `timeoutMs` has passed.
   *
   * @throws LicensingError DAEMON_UNREACHABLE, or the error with which the agent refused the subscription
   */
  async open(timeoutMs: number): Promise<void> {
    const deadline = Number.isFinite(timeoutMs) ? startDeadline(timeoutMs) : null
    try {
      for (;;) {
        if (await this.#connect()) return
        if (deadline?.signal.aborted || timeoutMs <= 0)
          throw agentUnreachableError(`No agent serves the control socket of ${this.#dataDir}.`)
        await new Promise<void>((resolve) => {
          this.#retry = setTimeout(resolve, this.#nextDelay())
        })
      }
    } finally {
      deadline?.stop()
    }
  }

  #nextDelay(): number {
    const delay = Math.min(MIN_RECONNECT_DELAY_MS * 2 ** this.#failures++, MAX_RECONNECT_DELAY_MS)
    return delay / 2 + (Math.random() * delay) / 2
  }

  /** Returns false if no agent answers. @throws LicensingError the error with which the agent refused the subscription */
  async #connect(): Promise<boolean> {
    const socket = await connectToDaemon(this.#dataDir)
    if (!socket) return false
    if (this.#isClosed) {
      socket.destroy()
      return false
    }
    this.#socket = socket
    this.#heardAt = this.#options.clock.uptime()
    this.#missedPings = 0
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#onClose(socket)
    })
    onLines(socket, (line) => {
      this.#onLine(socket, line)
    })
    return this.#subscribe(socket)
  }

  async #subscribe(socket: Socket): Promise<boolean> {
    const subscribed = new Promise<boolean>((resolve, reject) => {
      this.#send(
        socket,
        { verb: 'subscribe', params: { after: this.#lastRow } },
        {
          // Updates may follow in the same chunk, so the connection must be ready when this returns.
          resolve: (result) => {
            const update = clientUpdateSchema.safeParse(result)
            if (update.success) this.#onSubscribed(socket, update.data)
            resolve(update.success)
          },
          reject: (error) => {
            if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'AGENT_CLOSED') resolve(false)
            else reject(error)
          },
        },
      )
    })
    let isSubscribed = false
    try {
      isSubscribed = (await withTimeout(SUBSCRIBE_TIMEOUT_MS, subscribed)) ?? false
    } finally {
      if (!isSubscribed) socket.destroy()
    }
    return isSubscribed
  }

  #onSubscribed(socket: Socket, update: ClientUpdate): void {
    this.#failures = 0
    this.#isReady = true
    this.#startWatch(socket)
    this.events.emit('connected', this.#withoutKnownRows(update))
  }

  #onLine(socket: Socket, text: string): void {
    this.#heardAt = this.#options.clock.uptime()
    this.#missedPings = 0
    const line = parseLine(text)
    if (line === null) {
      socket.destroy()
      return
    }
    if (line.update) {
      if (this.#isReady) this.events.emit('update', this.#withoutKnownRows(line.update))
      return
    }
    const request = this.#pending.get(line.id ?? 0)
    if (!request) return
    this.#pending.delete(line.id ?? 0)
    this.#updateReference()
    if (line.error) request.reject(LicensingError.fromDocument(line.error))
    else request.resolve(line.result)
  }

  #withoutKnownRows(update: ClientUpdate): ClientUpdate {
    const known = this.#lastRow ?? 0
    this.#lastRow = update.lastRow
    return { ...update, rows: update.rows.filter(({ id }) => id > known) }
  }

  #onClose(socket: Socket): void {
    if (this.#socket !== socket) return
    const wasReady = this.#isReady
    this.#socket = null
    this.#isReady = false
    clearInterval(this.#watch)
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending)
      reject(agentUnreachableError('The agent ended the connection before it answered.'))
    if (!wasReady || this.#isClosed) return
    this.events.emit('disconnected')
    if (this.#options.reconnect) this.#reconnectLater()
  }

  #reconnectLater(): void {
    this.#retry = setTimeout(() => {
      this.#connect()
        .catch(() => false)
        .then((isConnected) => {
          if (!isConnected && !this.#isClosed) this.#reconnectLater()
        })
        .catch(() => undefined)
    }, this.#nextDelay())
    if (!this.#options.keepAlive) this.#retry.unref()
  }

  /** Closes the connection if the agent is silent for too long, such as a stopped process. */
  #startWatch(socket: Socket): void {
    const { clock } = this.#options
    this.#watch = setInterval(() => {
      if (clock.uptime() - this.#heardAt < PING_INTERVAL_MS * (1 + this.#missedPings)) return
      if (this.#missedPings >= MAX_MISSED_PINGS) {
        socket.destroy()
        return
      }
      this.#missedPings++
      const ignore = () => undefined
      this.#send(socket, { verb: 'ping', params: {} }, { resolve: ignore, reject: ignore })
    }, PING_INTERVAL_MS)
    if (!this.#options.keepAlive) this.#watch.unref()
  }

  /** With `keepAlive: false`, only a request in progress keeps the process alive. */
  #updateReference(): void {
    if (this.#options.keepAlive || !this.#socket) return
    if (this.#pending.size > 0) this.#socket.ref()
    else this.#socket.unref()
  }

  /** Sends a request. @throws LicensingError DAEMON_UNREACHABLE, AGENT_CLOSED, or the error that the agent answered */
  request(verb: string, params: object = {}): Promise<unknown> {
    const socket = this.#socket
    if (!socket || !this.#isReady)
      return Promise.reject(agentUnreachableError('The agent of this product does not run.'))
    return new Promise((resolve, reject) => {
      this.#send(socket, { verb, params }, { resolve, reject })
    })
  }

  #send(socket: Socket, request: { verb: string; params: object }, pending: PendingRequest): void {
    const id = ++this.#lastId
    this.#pending.set(id, pending)
    this.#updateReference()
    socket.write(`${JSON.stringify({ id, ...request })}\n`)
  }

  /** Closes the connection. Requests in progress fail. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    clearInterval(this.#watch)
    this.#socket?.destroy()
  }
}

/** Parses a line of the agent. Returns null for a line of another protocol version. */
function parseLine(text: string): z.infer<typeof lineSchema> | null {
  try {
    return lineSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
