import { chmodSync, closeSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { z } from 'zod'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { withTimeout } from '../transports/deadline.ts'
import type { SmartAgent } from './agent.ts'
import type { ClientFeed, ClientUpdate } from './client-feed.ts'

/**
 * Control socket: newline-delimited JSON on a Unix socket in the data directory, mode 0600. A request is one line,
 * `{"id","verb","params"}`. The response is one line, `{"id","result"}` or `{"id","error"}`. The verb `follow` responds
 * with one line per transition until the caller disconnects. The verb `subscribe` responds with the state of the agent, and
 * then sends `{"update"}` lines for a client of `SmartAgent.connect`. Requests have no timeout.
 */
const SOCKET_NAME = 'agent.sock'
const MAX_LINE_BYTES = 1024 * 1024
/** Maximum bytes buffered for a subscriber that does not read. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024
// Time limits while the daemon stops: for requests in progress, and for sending their responses.
const DRAIN_TIMEOUT_MS = 10_000
const FLUSH_TIMEOUT_MS = 500
/** Longest path of a Unix socket that all supported kernels accept, without the trailing zero byte. */
const MAX_SOCKET_PATH_BYTES = 100

/** Passes the socket path to `use`. A path that is too long is replaced by a short one in `/proc/self/fd` (Linux). */
function withSocketPath<T>(dataDir: string, use: (path: string, done: () => void) => T): T {
  const path = join(dataDir, SOCKET_NAME)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return use(path, () => undefined)
  const fd = openSync(dataDir, 'r')
  return use(`/proc/self/fd/${fd}/${SOCKET_NAME}`, () => {
    closeSync(fd)
  })
}

/** Splits a stream into lines. Closes the socket on a line that is too long. */
export function onLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    rest += chunk
    if (rest.length > MAX_LINE_BYTES) {
      socket.destroy()
      return
    }
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') onLine(line)
  })
}

/** Running server of the control socket. */
export interface ControlServer {
  /** Accepts no new connections, and waits up to ten seconds for requests in progress. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

interface ControlOptions {
  readonly dataDir: string
  readonly feed: ClientFeed
  /** False to let the process end while the socket is served. */
  readonly keepAlive: boolean
}

/** Serves an agent on the control socket of its data directory. The caller must hold the directory's lock. */
export async function serveControl(agent: SmartAgent, options: ControlOptions): Promise<ControlServer> {
  const { dataDir, feed, keepAlive } = options
  /** Number of unanswered requests by connection. */
  const sockets = new Map<Socket, number>()
  let closing = false
  const server: Server = createServer((socket) => {
    sockets.set(socket, 0)
    if (!keepAlive) socket.unref()
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {
      socket.destroy()
    })
    onLines(socket, (line) => {
      const count = (by: number) => sockets.set(socket, (sockets.get(socket) ?? 0) + by)
      count(1)
      void handleRequest(agent, feed, { socket, line }).finally(() => {
        if (sockets.has(socket)) count(-1)
        if (closing && sockets.get(socket) === 0) socket.end()
      })
    })
  })
  // This process holds the lock of the data directory, so an existing socket file is stale.
  rmSync(join(dataDir, SOCKET_NAME), { force: true })
  await listenOnSocket(server, dataDir)
  if (!keepAlive) server.unref()
  const closed = new Promise<void>((resolve) => {
    server.once('close', () => {
      rmSync(join(dataDir, SOCKET_NAME), { force: true })
      resolve()
    })
  })
  return {
    drain: async () => {
      closing = true
      server.close()
      for (const [socket, pending] of sockets) if (pending === 0) socket.end()
      await withTimeout(DRAIN_TIMEOUT_MS, closed)
    },
    close: async () => {
      closing = true
      server.close()
      for (const socket of sockets.keys()) socket.end()
      await withTimeout(FLUSH_TIMEOUT_MS, closed)
      for (const socket of sockets.keys()) socket.destroy()
      await closed
    },
  }
}

const listenOnSocket = (server: Server, dataDir: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    withSocketPath(dataDir, (path, done) => {
      // `listen` binds synchronously, so the umask gives the socket mode 0600 from the start and affects no other file. A worker
      // thread cannot change the umask. There the mode of the data directory protects the socket until `chmod`.
      const previous = isMainThread ? process.umask(0o177) : null
      try {
        server.listen(path, () => {
          if (!isMainThread) chmodSync(path, 0o600)
          done()
          resolve()
        })
      } finally {
        if (previous !== null) process.umask(previous)
      }
    })
  })

async function handleRequest(
  agent: SmartAgent,
  feed: ClientFeed,
  { socket, line }: { socket: Socket; line: string },
): Promise<void> {
  let id: unknown = null
  const respond = (document: object) => {
    if (socket.writable) socket.write(`${JSON.stringify({ id, ...document })}\n`)
  }
  try {
    const request = parseLine(line)
    id = request.id
    if (request.verb === 'follow') {
      const stop = agent.on('transition', () => {
        respond({ event: agent.history(1)[0] ?? null, status: agent.status() })
      })
      socket.on('close', stop)
      respond({ status: agent.status() })
      return
    }
    if (request.verb === 'subscribe') {
      const { after } = subscriptionSchema.parse(request.params)
      respond({ result: subscribe(feed, socket, after) })
      return
    }
    if (request.verb === 'ping') {
      respond({ result: null })
      return
    }
    const { findCommand } = await import('./control-commands.ts')
    respond({ result: await findCommand(agent, request.verb).call(request.params) })
  } catch (error) {
    respond({ error: toLicensingError(error).toJSON() })
  }
}

const subscriptionSchema = z.object({ after: z.number().nullable() })

function subscribe(feed: ClientFeed, socket: Socket, after: number | null): ClientUpdate {
  const { update, stop } = feed.subscribe(after, (json) => {
    // The client connects again, and gets the current state.
    if (socket.writableLength > MAX_BUFFERED_BYTES) socket.destroy()
    else if (socket.writable) socket.write(`{"update":${json}}\n`)
  })
  socket.on('close', stop)
  return update
}

function parseLine(line: string): { id: unknown; verb: string; params: unknown } {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new LicensingError('INVALID_ARGUMENT', 'The request is not JSON.')
  }
  if (typeof value !== 'object' || value === null || !('verb' in value) || typeof value.verb !== 'string') {
    throw new LicensingError('INVALID_ARGUMENT', 'The request has no `verb`.')
  }
  return {
    id: 'id' in value ? value.id : null,
    verb: value.verb,
    params: 'params' in value ? value.params : {},
  }
}

/** Connects to the daemon of a data directory. Resolves to null when no daemon is listening. */
export function connectToDaemon(dataDir: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    try {
      withSocketPath(dataDir, (path, done) => {
        const socket = connect(path)
        socket.once('connect', () => {
          done()
          socket.removeAllListeners('error')
          resolve(socket)
        })
        socket.once('error', () => {
          done()
          resolve(null)
        })
      })
    } catch {
      resolve(null)
    }
  })
}
