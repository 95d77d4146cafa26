import type { Agent } from 'node:https'
import type { Readable } from 'node:stream'
import { AxiosHeaders, type AxiosResponse, getAdapter, type InternalAxiosRequestConfig } from 'axios'

/** POST request over HTTPS with all of its axios settings. */
export interface AxiosPost {
  /** URL of the authority, to which the path is appended. */
  readonly url: string
  readonly path: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly agent: Agent
  /** Limit of the request body in bytes. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/**
 * HTTP adapter of axios, taken once from a named import. Products that replace members of the default export
 * (`axios.create`, `axios.getAdapter`, `axios.Axios`) do not affect the adapter.
 */
const sendByHttp = getAdapter('http')

/**
 * Sends a request by axios' HTTP adapter, without an axios instance.
 *
 * The product that embeds the agent may share this copy of axios and may have configured a bearer token, a time-out, a
 * proxy or interceptors. An axios instance merges such settings into each request, from `axios.create` or a patched
 * `Axios.prototype.request`. The adapter merges nothing and reads only the object below, whose prototype is null.
 * `test/transports/isolation.test.ts` sets every option of axios and checks the requests.
 *
 * Only two patches of code still affect a request: a patch of `AxiosHeaders.prototype` and a patch of Node's
 * `https.request`. MSW and tracing libraries rely on the latter.
 *
 * @returns the answer as a stream, with any status
 * @throws AxiosError, or the reason of the signal
 */
export async function postByAxios(post: AxiosPost): Promise<AxiosResponse<Readable>> {
  // The adapter opens a connection even for a request that was canceled before it began.
  post.signal.throwIfAborted()
  const config: InternalAxiosRequestConfig = {
    baseURL: post.url,
    url: post.path,
    allowAbsoluteUrls: false,
    method: 'post',
    data: post.body,
    headers: new AxiosHeaders(post.headers),
    httpsAgent: post.agent,
    signal: post.signal,
    // Proxy variables of the environment must not change the route.
    proxy: false,
    maxRedirects: 0,
    maxBodyLength: post.maxBytes,
    // The signal is the deadline, because this time-out covers neither a slow body nor a tunnel.
    timeout: 0,
    responseType: 'stream',
    decompress: false,
    insecureHTTPParser: false,
    validateStatus: () => true,
    // Otherwise the adapter uses the shared object `axios.defaults.transitional`.
    transitional: { clarifyTimeoutError: true, advertiseZstdAcceptEncoding: false },
  }
  const withoutPrototype = Object.create(null) as object
  return (await sendByHttp(Object.assign(withoutPrototype, config))) as AxiosResponse<Readable>
}
