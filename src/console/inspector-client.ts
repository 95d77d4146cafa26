import { WebSocket } from 'ws'
import type { SmartAgent } from '../agent/agent.ts'
import { LicensingError } from '../core/errors.ts'
import { toMessage } from './inspector.ts'

/** Connection to an inspector elsewhere. */
export interface InspectorClient {
  readonly url: string
  readonly close: () => void
}

const RECONNECT_MS = 5_000
const MAX_BUFFERED_BYTES = 1024 * 1024

/**
 * Connects to an inspector that waits for applications, such as `createInspectorServer` of `@statelyai/inspect`, and sends it
 * the machine, its newest transitions and every event. Connects again when the connection ends.
 *
 * @throws LicensingError INVALID_ARGUMENT for a URL that is not ws: or wss:
 */
export function connectToInspector(
  { inspection: { feed } }: Pick<SmartAgent, 'inspection'>,
  url: string,
  logger: { warn(message: string, fields?: object): void },
): InspectorClient {
  if (!URL.canParse(url) || !['ws:', 'wss:'].includes(new URL(url).protocol))
    throw new LicensingError('INVALID_ARGUMENT', 'The URL of the inspector must begin with ws:// or wss://.')
  let socket: WebSocket | null = null
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  const connect = () => {
    const opened = new WebSocket(url, { perMessageDeflate: false })
    socket = opened
    opened.on('open', () => {
      for (const frame of feed.past()) opened.send(JSON.stringify(toMessage(feed, frame)))
    })
    opened.on('error', (error) => {
      logger.warn('the inspector is not reached', { url, reason: error.message })
    })
    opened.on('close', () => {
      if (!isClosed) timer = setTimeout(connect, RECONNECT_MS).unref()
    })
    // The inspector relays messages of others, which do not concern the agent.
    opened.on('message', () => undefined)
  }
  connect()
  const stop = feed.follow((listFrames) => {
    if (socket?.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate()
    else for (const frame of listFrames()) socket.send(JSON.stringify(toMessage(feed, frame)))
  })
  return {
    url,
    close: () => {
      isClosed = true
      clearTimeout(timer)
      stop()
      socket?.terminate()
    },
  }
}
