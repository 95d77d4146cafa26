import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { SmartAgent } from '../agent/agent.ts'
import { inspectedDefinition, type InspectionFeed, type InspectionFrame } from '../agent/inspection-feed.ts'
import { LicensingError } from '../core/errors.ts'
import { formatUrlHost, LOOPBACK_HOSTS, stripBrackets } from '../core/host-name.ts'
import { toAddressInUseError } from '../http/listen.ts'

/** Inspection server that is running. */
export interface ServedInspector {
  /** URL of the form `ws://HOST:PORT`. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** Version of `@statelyai/inspect` whose format the messages have. */
const FORMAT_VERSION = '0.7.2'
/** Maximum size of a client's message. Messages of clients are ignored. */
const MAX_MESSAGE_BYTES = 1024
const MAX_CLIENTS = 16
/** Maximum bytes buffered for a slow client. */
const MAX_BUFFERED_BYTES = 1024 * 1024

/**
 * Serves the agent's state machine to inspectors on the same computer, over a WebSocket in the format of
 * `@statelyai/inspect` 0.7. A client receives the machine with its newest transitions, then every event with the new state.
 * Messages of clients are ignored. Secrets are not sent: codes are empty, and the context is a fixed list of instants and
 * counts.
 *
 * @throws LicensingError INVALID_ARGUMENT for a host that is not a loopback address, ADDRESS_IN_USE
 */
export async function serveInspector(
  { inspection: { feed } }: Pick<SmartAgent, 'inspection'>,
  at: { readonly host: string; readonly port: number },
): Promise<ServedInspector> {
  if (!LOOPBACK_HOSTS.includes(at.host))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The host of the inspector must be one of ${LOOPBACK_HOSTS.join(', ')}.`,
    )
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  })
  const server = createServer((_, response) => {
    response
      .writeHead(426, { 'content-type': 'text/plain' })
      .end('The inspector accepts only WebSocket connections.\n')
  })
  server.on('upgrade', (request, socket, head) => {
    // Pages of other origins are refused, even if their host name resolves to a loopback address (DNS rebinding).
    if (!isLocal(request.headers) || sockets.clients.size >= MAX_CLIENTS) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => {
        client.terminate()
      })
      for (const frame of feed.past()) send(client, toMessage(feed, frame))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(toAddressInUseError(at, error))
    })
    server.listen(at.port, at.host, resolve)
  })
  const stop = feed.follow((listFrames) => {
    if (sockets.clients.size === 0) return
    const messages = listFrames().map((frame) => toMessage(feed, frame))
    for (const client of sockets.clients) for (const message of messages) send(client, message)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `ws://${formatUrlHost(at.host)}:${port}`,
    close: () =>
      new Promise((resolve) => {
        stop()
        for (const client of sockets.clients) client.terminate()
        sockets.close()
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

function isLocal({ host, origin }: { host?: string | undefined; origin?: string | undefined }): boolean {
  return isLoopback(`http://${host ?? ''}`) && (origin === undefined || isLoopback(origin))
}

/** Returns true for a URL with a loopback name or address as the host. */
const isLoopback = (url: string): boolean =>
  URL.canParse(url) && LOOPBACK_HOSTS.includes(stripBrackets(new URL(url).hostname))

function send(client: WebSocket, message: object): void {
  if (client.bufferedAmount > MAX_BUFFERED_BYTES) client.terminate()
  else client.send(JSON.stringify(message))
}

/** Converts a frame to the format of `@statelyai/inspect`. */
export const toMessage = (feed: InspectionFeed, frame: InspectionFrame): object => {
  const envelope = {
    sessionId: feed.id,
    rootId: feed.id,
    createdAt: String(frame.at),
    id: null,
    _version: FORMAT_VERSION,
  }
  switch (frame.kind) {
    case 'actor':
      return {
        type: '@xstate.actor',
        ...envelope,
        name: feed.id,
        definition: inspectedDefinition(),
        snapshot: frame.snapshot,
      }
    case 'event':
      return { type: '@xstate.event', ...envelope, event: frame.event }
    case 'microstep':
    case 'snapshot':
      return { type: `@xstate.${frame.kind}`, ...envelope, event: frame.event, snapshot: frame.snapshot }
  }
}
