import type { Socket } from 'node:net'
import { type ErrorDocument, LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { startDeadline } from '../transports/deadline.ts'
import { onLines } from './control.ts'

/** Time in which a daemon must answer. */
const DAEMON_TIMEOUT_MS = 5 * SECOND
/** Time between an answer and the next question whether the daemon still answers. */
const PING_INTERVAL_MS = SECOND

const PING_ID = 0
const REQUEST_ID = 1

/** Starts a deadline. Tests pass their own, which do not wait. */
export type StartDeadline = (
  milliseconds: number,
) => Pick<ReturnType<typeof startDeadline>, 'signal' | 'stop'>

interface Line {
  readonly id?: unknown
  readonly result?: unknown
  readonly error?: ErrorDocument
  readonly event?: unknown
  readonly status?: unknown
}

/**
 * Sends one request to a daemon, and calls `onLine` with each line of its response until `onLine` returns true. The request
 * is sent only to a daemon that has answered a ping, so that a stopped daemon does not carry it out later. Further pings
 * detect a daemon that stops answering.
 *
 * @returns false if the daemon closed the connection
 * @throws LicensingError DAEMON_UNREACHABLE if the daemon leaves a ping unanswered for five seconds
 */
function converse(
  socket: Socket,
  request: { readonly verb: string; readonly params?: unknown },
  start: StartDeadline,
  onLine: (line: Line) => boolean,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let isSent = false
    let deadline: { stop: () => void } | null = null
    const setDeadline = (milliseconds: number, onTimeout: () => void) => {
      deadline?.stop()
      const { signal, stop } = start(milliseconds)
      signal.addEventListener('abort', onTimeout)
      deadline = { stop }
    }
    const send = (document: object) => socket.write(`${JSON.stringify(document)}\n`)
    const end = (isAnswered: boolean) => {
      deadline?.stop()
      socket.destroy()
      resolve(isAnswered)
    }
    const ping = () => {
      send({ id: PING_ID, verb: 'ping' })
      setDeadline(DAEMON_TIMEOUT_MS, () => {
        reject(createSilenceError(isSent))
        socket.destroy()
      })
    }
    socket.on('error', () => undefined)
    socket.on('close', () => {
      end(false)
    })
    onLines(socket, (text) => {
      const line = JSON.parse(text) as Line
      if (line.id !== PING_ID) {
        if (onLine(line)) end(true)
        return
      }
      setDeadline(PING_INTERVAL_MS, ping)
      if (isSent) return
      isSent = true
      send({ id: REQUEST_ID, ...request })
    })
    ping()
  })
}

function createSilenceError(isSent: boolean): LicensingError {
  const silence = `The daemon has not answered for ${DAEMON_TIMEOUT_MS / SECOND} seconds.`
  return new LicensingError(
    'DAEMON_UNREACHABLE',
    isSent ? `${silence} It may still carry out the command.` : silence,
  )
}

/**
 * Sends one request to a daemon, and closes the connection afterwards. The response may take any time while the daemon
 * answers pings.
 *
 * @throws LicensingError the error that the daemon returned, or DAEMON_UNREACHABLE
 */
export async function callDaemon(
  socket: Socket,
  verb: string,
  params: unknown,
  start: StartDeadline = startDeadline,
): Promise<unknown> {
  let reply: Line = {}
  const isAnswered = await converse(socket, { verb, params }, start, (line) => {
    reply = line
    return true
  })
  if (!isAnswered)
    throw new LicensingError('DAEMON_UNREACHABLE', 'The daemon closed the connection before it answered.')
  if (reply.error) throw LicensingError.fromDocument(reply.error)
  return reply.result
}

/**
 * Calls `onUpdate` with the daemon's status, and then for every transition until the connection ends.
 *
 * @throws LicensingError DAEMON_UNREACHABLE if the daemon does not answer
 */
export async function subscribeToDaemon(
  socket: Socket,
  onUpdate: (line: { event?: unknown; status: unknown }) => void,
  start: StartDeadline = startDeadline,
): Promise<void> {
  await converse(socket, { verb: 'follow' }, start, ({ event, status }) => {
    onUpdate({ event, status })
    return false
  })
}
