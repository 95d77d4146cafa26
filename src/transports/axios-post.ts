import type { Agent } from 'node:https'
import type { Readable } from 'node:stream'
import { AxiosHeaders, type AxiosResponse, getAdapter, type InternalAxiosRequestConfig } from 'axios'

/** One request by POST over HTTPS, with everything that axios is told about it. */
export interface AxiosPost {
  /** The address of the authority; the path is appended to it. */
  readonly url: string
  readonly path: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly agent: Agent
  /** Bytes that the body may have at most. */
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/**
 * The HTTP adapter of axios. It is a named import, taken once: a product that replaces members of the default export
 * (`axios.create`, `axios.getAdapter`, `axios.Axios`) does not change it.
 */
const sendByHttp = getAdapter('http')

/**
 * Sends a request by axios' HTTP adapter, without an axios instance.
 *
 * The product that embeds the agent may share this very copy of axios, and may have configured it: a bearer, a time-out,
 * a proxy, interceptors. An instance merges such settings into each request, whether `axios.create` or a patched
 * `Axios.prototype.request` adds them. The adapter merges nothing: it reads the object below alone, whose prototype is
 * null. `test/transports/isolation.test.ts` sets every option of axios and looks at what arrives.
 *
 * What still reaches this request is what a program does to code rather than to settings: a patched
 * `AxiosHeaders.prototype`, and a replaced `https.request` of Node, which MSW and tracing libraries rely on.
 *
 * @returns the answer as a stream, whatever its status
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
    // The environment's proxy variables do not change the route.
    proxy: false,
    maxRedirects: 0,
    maxBodyLength: post.maxBytes,
    // It covers neither a slow body nor a tunnel: the signal covers all.
    timeout: 0,
    responseType: 'stream',
    decompress: false,
    insecureHTTPParser: false,
    validateStatus: () => true,
    // Without it the adapter takes the object that is also `axios.defaults.transitional`.
    transitional: { clarifyTimeoutError: true, advertiseZstdAcceptEncoding: false },
  }
  const bare = Object.create(null) as object
  return (await sendByHttp(Object.assign(bare, config))) as AxiosResponse<Readable>
}
