import { Agent, type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { LicensingError } from '../core/errors.ts'
import { DAY, type Instant, SECOND } from '../core/time.ts'
import { openConnection } from './connection.ts'
import { startDeadline } from './deadline.ts'
import { toExchangeError } from './failures.ts'
import { isAddressAllowed } from './target-address.ts'
import { LOOPBACK_HOSTS, stripBrackets } from '../core/host-name.ts'

/** Time limit of a delivery, from name resolution to the headers of the answer. */
const DELIVERY_TIMEOUT_MS = 15 * SECOND
/** Upper bound for the `Retry-After` of a receiver. */
const MAX_RETRY_AFTER_MS = DAY
const MAX_URL_LENGTH = 2_000
const MAX_HEADER_BYTES = 16 * 1024

/**
 * Validates the URL of a receiver, which must be https, or http to a loopback address.
 *
 * @throws LicensingError WEBHOOK_URL_REFUSED
 */
export function checkWebhookUrl(text: string): string {
  const url = text.length <= MAX_URL_LENGTH ? URL.parse(text) : null
  const fail = (why: string): never => {
    throw new LicensingError('WEBHOOK_URL_REFUSED', `The URL of the webhook cannot be used: ${why}.`)
  }
  if (!url) return fail('it is not a URL')
  if (url.username !== '' || url.password !== '') fail('it contains a user name or a password')
  if (url.hash !== '') fail('it contains a fragment')
  const host = stripBrackets(url.hostname)
  if (url.protocol === 'http:') {
    if (!LOOPBACK_HOSTS.includes(host)) fail('http is only allowed on this machine')
  } else if (url.protocol !== 'https:') fail('it is not https')
  if (isIP(host) !== 0 && !isAddressAllowed(host)) fail(`${host} is a link-local or reserved address`)
  return url.href
}

/** Result of a delivery. A delivery with the outcome `gone` must not be retried. `retryAfter` is in milliseconds. */
export type DeliveryResult =
  | { readonly outcome: 'delivered' }
  | { readonly outcome: 'gone'; readonly why: string }
  | { readonly outcome: 'failed'; readonly why: string; readonly retryAfter: number | null }

/**
 * Sends a message by POST and reads only the status and `Retry-After` of the answer. Does not follow redirects.
 * `why` contains no text that the receiver sent.
 *
 * @param to.ca additional root certificates for TLS: PEM
 * @param now current wall clock time, to interpret a `Retry-After` that is a date
 */
export async function sendWebhook(
  to: { readonly url: string; readonly ca: string | null },
  message: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  now: Instant,
): Promise<DeliveryResult> {
  const url = new URL(to.url)
  const deadline = startDeadline(DELIVERY_TIMEOUT_MS)
  try {
    const answer = await send(url, to.ca, message, deadline.signal)
    const status = answer.statusCode ?? 0
    const retryAfter = parseRetryAfter(answer.headers['retry-after'], now)
    answer.destroy()
    if (status >= 200 && status <= 299) return { outcome: 'delivered' }
    if (status === 410) return { outcome: 'gone', why: `${url.host} answered 410: it no longer exists` }
    const redirected = status >= 300 && status <= 399 ? ', and redirects are not followed' : ''
    return { outcome: 'failed', why: `${url.host} answered ${status}${redirected}`, retryAfter }
  } catch (error) {
    const failure = toExchangeError(error, url.host, {
      begun: false,
      timedOut: deadline.signal.aborted,
      via: undefined,
    })
    return { outcome: 'failed', why: failure.message.replace(/\.$/, ''), retryAfter: null }
  } finally {
    deadline.abort()
  }
}

async function send(
  url: URL,
  ca: string | null,
  { body, headers }: { body: string; headers: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method: 'POST',
    host: stripBrackets(url.hostname),
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'smart-licensing-agent',
      connection: 'close',
      ...headers,
    },
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  }
  if (url.protocol === 'https:') {
    const socket = await openConnection(
      {
        host: stripBrackets(url.hostname),
        port: Number(options.port),
        anchors: [...rootCertificates, ...(ca === null ? [] : [ca])],
        proxy: null,
        isAddressAllowed,
      },
      signal,
    )
    // `createConnection` is used because no agent is set.
    options.createConnection = () => socket
  } else options.agent = new Agent()
  return new Promise((resolve, reject) => {
    const clientRequest = plainRequest(options)
    clientRequest.once('response', resolve)
    clientRequest.once('error', reject)
    clientRequest.end(body)
  })
}

/** Parses `Retry-After` to milliseconds. Returns null if the header is missing or not valid. */
function parseRetryAfter(header: string | undefined, now: Instant): number | null {
  if (header === undefined) return null
  const delayMs = /^\d{1,9}$/.test(header) ? Number(header) * SECOND : Date.parse(header) - now
  return Number.isNaN(delayMs) || delayMs <= 0 ? null : Math.min(delayMs, MAX_RETRY_AFTER_MS)
}
