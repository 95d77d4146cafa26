import { Agent } from 'node:https'
import axios, { type AxiosInstance } from 'axios'
import { LicensingError } from '../domain/errors.ts'
import { startDeadline } from './deadline.ts'
import { statusFailure, transportFailure } from './failures.ts'
import type { Transport, TransportSettings } from './transport.ts'

/** One exchange, from the look-up of the name to the last byte, in milliseconds. */
const TOTAL_DEADLINE = 30_000
const LARGEST_ANSWER = 1024 * 1024

/**
 * The transport over HTTPS, by axios. `proxy: false` keeps the environment's proxy variables from changing
 * the road; its own time-out is off, since it covers neither a slow body nor a tunnel: one deadline covers all.
 *
 * @param anchors PEM certificates that TLS is checked by; the system's own are not used
 * @param options.deadline milliseconds for one whole exchange
 */
export function httpsTransport(
  settings: TransportSettings,
  anchors: readonly string[],
  { deadline: allowed = TOTAL_DEADLINE } = {},
): Transport {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca: [...anchors],
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  })
  const client: AxiosInstance = axios.create({
    adapter: 'http',
    baseURL: settings.url,
    proxy: false,
    maxRedirects: 0,
    maxContentLength: LARGEST_ANSWER,
    maxBodyLength: LARGEST_ANSWER,
    responseType: 'text',
    transformResponse: (text: string) => text,
    validateStatus: () => true,
    httpsAgent: agent,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'smart-licensing-agent',
    },
  })
  const host = new URL(settings.url).host
  return {
    post: async (path, body) => {
      const deadline = startDeadline(allowed)
      const send = () => client.post<string>(path, body, { signal: deadline.signal })
      try {
        const { status, headers, data } = await send().catch((thrown: unknown) => {
          // A kept connection that the other side has closed meanwhile says nothing about the road.
          if (wasStale(thrown)) return send()
          throw thrown
        })
        if (status !== 200) {
          const retryAfter: unknown = headers['retry-after']
          throw statusFailure(
            status,
            typeof retryAfter === 'string' ? retryAfter : undefined,
            host,
            Date.now(),
          )
        }
        return data
      } catch (thrown) {
        if (thrown instanceof LicensingError) throw thrown
        if (tooLarge(thrown))
          throw new LicensingError('ANSWER_TOO_LARGE', `${host} answered more than ${LARGEST_ANSWER} bytes.`)
        throw transportFailure(thrown, host, deadline.signal.aborted)
      } finally {
        deadline.stop()
      }
    },
    close: () => {
      agent.destroy()
    },
  }
}

const tooLarge = (thrown: unknown): boolean =>
  thrown instanceof Error && thrown.message.startsWith('maxContentLength size of')

/** Whether an attempt failed on a connection that was kept from an earlier exchange. */
const wasStale = (thrown: unknown): boolean =>
  axios.isAxiosError(thrown) &&
  (thrown.code === 'ECONNRESET' || thrown.code === 'EPIPE') &&
  thrown.response === undefined &&
  (thrown.request as { reusedSocket?: boolean } | undefined)?.reusedSocket === true
