import { subscribe } from './api.ts'

/** Message between the tabs of a browser. */
type TabMessage =
  | { readonly kind: 'event'; readonly event: string; readonly data: unknown }
  | { readonly kind: 'link'; readonly isUp: boolean }
  /** A new tab, which does not know the state of the connection. */
  | { readonly kind: 'hello' }

const NAME = 'live-events'

/**
 * Subscribes to the server events with one connection for all tabs of this browser, because a browser opens few connections to
 * a server. The tab that holds a lock has the connection, and passes the events on. If the tab is closed, another one gets the
 * lock. The server sends the present state at the beginning of each connection.
 *
 * @param take receives an event
 * @param link receives the state of the connection
 * @returns a function that stops the subscription
 */
export function subscribeWithTabs(
  take: (event: string, data: unknown) => void,
  link: (isUp: boolean) => void,
): () => void {
  const channel = new BroadcastChannel(NAME)
  const stop = new AbortController()
  let isLeader = false
  let isUp = true
  const send = (message: TabMessage) => {
    channel.postMessage(message)
  }
  channel.onmessage = ({ data: message }: MessageEvent<TabMessage>) => {
    if (message.kind === 'event') take(message.event, message.data)
    else if (message.kind === 'link') link(message.isUp)
    else if (isLeader) send({ kind: 'link', isUp })
  }
  const lead = () =>
    new Promise<void>((resolve) => {
      isLeader = true
      const end = subscribe(
        (event, data) => {
          take(event, data)
          send({ kind: 'event', event, data })
        },
        (next) => {
          isUp = next
          link(next)
          send({ kind: 'link', isUp: next })
        },
      )
      stop.signal.addEventListener('abort', () => {
        end()
        resolve()
      })
    })
  navigator.locks.request(NAME, { signal: stop.signal }, lead).catch(() => undefined)
  send({ kind: 'hello' })
  return () => {
    stop.abort()
    channel.close()
  }
}

/** Returns the queries to refetch after an event: none in a hidden tab, whose stale queries are refetched when it is visible. */
export const getRefetchType = (): 'active' | 'none' => (document.hidden ? 'none' : 'active')
