import { closeSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { toLicensingError, type ErrorDocument, LicensingError } from '../core/errors.ts'
import { withTimeout } from '../transports/deadline.ts'
import type { SmartAgent } from './agent.ts'

/**
 * The control socket: newline-delimited JSON on a Unix socket in the data directory, mode 0600. One line asks
 * `{"id","verb","params"}`; one line answers `{"id","result"}` or `{"id","error"}`. `follow` answers with a line
 * for every transition until the caller leaves. There are no time-outs: the clock may run as it likes.
 */
const SOCKET_NAME = 'agent.sock'
const MAX_LINE_BYTES = 1024 * 1024
/** How long what was asked may still take when the daemon stops, and how long its answer may take to leave: milliseconds. */
const DRAIN_TIMEOUT_MS = 10_000
const FLUSH_TIMEOUT_MS = 500
/** What the kernel takes for the path of a Unix socket, with its closing zero left out. */
const MAX_SOCKET_PATH_BYTES = 100

/** A deep data directory is reached through a descriptor of it, whose path is short (Linux). */
function withSocketPath<T>(dataDir: string, use: (path: string, done: () => void) => T): T {
  const path = join(dataDir, SOCKET_NAME)
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return use(path, () => undefined)
  const fd = openSync(dataDir, 'r')
  return use(`/proc/self/fd/${fd}/${SOCKET_NAME}`, () => {
    closeSync(fd)
  })
}

/** Splits a stream into lines, and closes it on one that is too long. */
function onLines(socket: Socket, onLine: (line: string) => void): void {
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

/** The control socket, served. */
interface ControlServer {
  /** Takes nothing new, and answers what was asked: for at most ten seconds. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Serves an agent on the control socket of its data directory, which the caller holds open. */
export async function serveControl(agent: SmartAgent, dataDir: string): Promise<ControlServer> {
  /** Each connection, with how many of its requests are not answered yet. */
  const sockets = new Map<Socket, number>()
  let closing = false
  const server: Server = createServer((socket) => {
    sockets.set(socket, 0)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {
      socket.destroy()
    })
    onLines(socket, (line) => {
      const count = (by: number) => sockets.set(socket, (sockets.get(socket) ?? 0) + by)
      count(1)
      void handleRequest(agent, socket, line).finally(() => {
        if (sockets.has(socket)) count(-1)
        if (closing && sockets.get(socket) === 0) socket.end()
      })
    })
  })
  // The data directory is locked by this process, so a socket file found here is a dead one.
  rmSync(join(dataDir, SOCKET_NAME), { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    withSocketPath(dataDir, (path, done) => {
      // Bound within the call, so that the socket is 0600 from its first moment and nothing else is.
      const previous = process.umask(0o177)
      try {
        server.listen(path, () => {
          done()
          resolve()
        })
      } finally {
        process.umask(previous)
      }
    })
  })
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
      for (const [socket, underWay] of sockets) if (underWay === 0) socket.end()
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

async function handleRequest(agent: SmartAgent, socket: Socket, line: string): Promise<void> {
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
    const { findCommand } = await import('./control-commands.ts')
    respond({ result: await findCommand(agent, request.verb).call(request.params) })
  } catch (error) {
    respond({ error: toLicensingError(error).toJSON() })
  }
}

function parseLine(line: string): { id: unknown; verb: string; params: unknown } {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new LicensingError('INVALID_ARGUMENT', 'The request is not JSON.')
  }
  if (typeof value !== 'object' || value === null || !('verb' in value) || typeof value.verb !== 'string') {
    throw new LicensingError('INVALID_ARGUMENT', 'The request names no verb.')
  }
  return {
    id: 'id' in value ? value.id : null,
    verb: value.verb,
    params: 'params' in value ? value.params : {},
  }
}

/** A connection to the daemon of a data directory; null when none is listening. */
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

/**
 * Asks a daemon for one verb, over a connection that is closed afterwards.
 *
 * @throws LicensingError what the daemon answered, or DAEMON_UNREACHABLE
 */
export function callDaemon(socket: Socket, verb: string, params: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const lost = () => {
      reject(new LicensingError('DAEMON_UNREACHABLE', 'The daemon closed the connection before it answered.'))
    }
    socket.on('error', lost)
    socket.on('close', lost)
    onLines(socket, (line) => {
      const reply = JSON.parse(line) as { result?: unknown; error?: ErrorDocument }
      if (reply.error) reject(LicensingError.fromDocument(reply.error))
      else resolve(reply.result)
      socket.end()
    })
    socket.write(`${JSON.stringify({ id: 1, verb, params })}\n`)
  })
}

/** Calls for every transition of a daemon, and at once with its status, until the connection ends. */
export function subscribeToDaemon(
  socket: Socket,
  onUpdate: (line: { event?: unknown; status: unknown }) => void,
): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined)
    socket.on('close', () => {
      resolve()
    })
    onLines(socket, (line) => {
      onUpdate(JSON.parse(line) as { status: unknown })
    })
    socket.write(`${JSON.stringify({ id: 1, verb: 'follow' })}\n`)
  })
}
