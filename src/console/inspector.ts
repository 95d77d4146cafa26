import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Context, type AgentSnapshot, toMachineSnapshot, agentMachine } from '../../machines/index.ts'
import type { SmartAgent } from '../agent/agent.ts'
import { LicensingError } from '../core/errors.ts'
import { formatUrlHost, LOOPBACK_HOSTS, stripBrackets } from '../core/host-name.ts'
import { toAddressInUseError } from '../http/listen.ts'

/** Inspection server that is running. */
export interface ServedInspector {
  /** URL of the form `ws://HOST:PORT`. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** Maximum size of a client's message. Messages of clients are ignored. */
const MAX_MESSAGE_BYTES = 1024
const MAX_CLIENTS = 16
/** Maximum bytes buffered for a slow client. */
const MAX_BUFFERED_BYTES = 1024 * 1024

/**
 * Serves the agent's state machine to inspectors on the same computer, over a WebSocket in the format of
 * `@statelyai/inspect` 0.7. A client receives the machine with its current state, then every event with the new state.
 * Messages of clients are ignored. Secrets are not sent: a message has the event's type, the state, and a fixed list of
 * instants and counts.
 *
 * @throws LicensingError INVALID_ARGUMENT for a host that is not a loopback address, ADDRESS_IN_USE
 */
export async function serveInspector(
  agent: Pick<SmartAgent, 'snapshot' | 'history' | 'on'>,
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
      send(client, toActorMessage(agent.snapshot, agent.history(1)[0]?.at ?? 0))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(toAddressInUseError(at, error))
    })
    server.listen(at.port, at.host, resolve)
  })
  const stop = agent.on('transition', ({ at: instant, event, after }) => {
    if (sockets.clients.size === 0) return
    const messages = [toEventMessage(event.type, instant), toSnapshotMessage(event.type, after, instant)]
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

const createEnvelope = (type: string, at: number) => ({
  type,
  sessionId: agentMachine.id,
  rootId: agentMachine.id,
  createdAt: String(at),
  id: null,
  _version: '0.7.2',
})

// The machine is the root actor, and its events have no source actor.
const toActorMessage = (snapshot: AgentSnapshot, at: number) => ({
  ...createEnvelope('@xstate.actor', at),
  name: agentMachine.id,
  definition,
  snapshot: toInspectedSnapshot(snapshot),
})

const toEventMessage = (type: string, at: number) => ({
  ...createEnvelope('@xstate.event', at),
  event: { type },
})

const toSnapshotMessage = (type: string, snapshot: AgentSnapshot, at: number) => ({
  ...createEnvelope('@xstate.snapshot', at),
  event: { type },
  snapshot: toInspectedSnapshot(snapshot),
})

/** Definition of the machine for inspectors: states and transitions, without the initial context. */
const { id, type, states } = agentMachine.config
const definition = JSON.stringify({ id, type, states })

const toInspectedSnapshot = (snapshot: AgentSnapshot) => ({
  status: 'active',
  value: snapshot.value,
  context: redactContext(snapshot.context),
  children: {},
  historyValue: {},
  tags: [...toMachineSnapshot(snapshot).tags],
})

/** Returns the public part of the context. Fields are listed one by one, so that a new field stays hidden. */
const redactContext = (context: Context) => ({
  evaluation: {
    remainingSeconds: context.evaluation.remainingSeconds,
    running: context.evaluation.running,
  },
  registration: context.registration && {
    registeredAt: context.registration.registeredAt,
    expiresAt: context.registration.expiresAt,
  },
  registering: context.registering && {
    failures: context.registering.failures,
    nextAttemptAt: context.registering.nextAttemptAt,
  },
  renewal: { nextAt: context.renewal.nextAt, failures: context.renewal.failures },
  authorization: {
    since: context.authorization.since,
    nextAttemptAt: context.authorization.nextAttemptAt,
    deadlineAt: context.authorization.deadlineAt,
    failures: context.authorization.failures,
  },
  usage: { counts: context.usage.counts, reportAt: context.usage.reportAt },
  lastFailure: context.lastFailure && { code: context.lastFailure.code, at: context.lastFailure.at },
})
