import type { z } from 'zod'
import type { ApiPrincipal, ApiScope } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { Instant } from '../core/time.ts'
import type { JsonStream } from '../http/json-stream.ts'
import type { ErrorFormat } from './error-responses.ts'

/** A request to an endpoint, in the form for its handler. */
export interface RestCall<B = unknown, Q = unknown> {
  readonly authority: Authority
  readonly caller: ApiPrincipal
  /** Smart account of the path or of the caller; undefined for all. */
  readonly account: string | undefined
  readonly virtualAccount: string | undefined
  readonly body: B
  readonly query: Q
  readonly header: (name: string) => string | undefined
  readonly at: Instant
}

interface EndpointDefinition<B extends z.ZodType, Q extends z.ZodType, R extends z.ZodType> {
  readonly name: string
  readonly method: 'GET' | 'POST'
  /** Complete paths, with `:domain` and `:virtualAccount`. The OpenAPI description shows the first. */
  readonly urls: readonly string[]
  readonly scope: ApiScope
  /** Format of the error bodies; `statusMessage` by default. */
  readonly errorFormat?: ErrorFormat
  readonly summary: string
  readonly schema: { readonly body?: B; readonly querystring?: Q; readonly response: R }
  /** True for paths where a request without an access token gets 403, as from Cisco's on-premises server. */
  readonly anonymousIs403?: (url: string) => boolean
  /** Returns the object of the call for the audit log. */
  readonly auditSubject?: (call: RestCall<z.output<B>, z.output<Q>>) => string
  readonly handler: (
    call: RestCall<z.output<B>, z.output<Q>>,
  ) => Promise<z.input<R> | (z.input<R> extends object ? JsonStream<z.input<R>> : never)>
}

/** An endpoint of the REST API with all its paths. */
export interface Endpoint {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly urls: readonly string[]
  readonly scope: ApiScope
  readonly errorFormat: ErrorFormat
  readonly summary: string
  readonly schema: {
    readonly body?: z.ZodType
    readonly querystring?: z.ZodType
    readonly response: z.ZodType
  }
  readonly anonymousIs403: (url: string) => boolean
  auditSubject(call: RestCall): string
  /** Handles a call with a validated body and query. */
  handler(call: RestCall): Promise<unknown>
}

export const createEndpoint = <
  R extends z.ZodType,
  B extends z.ZodType = z.ZodUnknown,
  Q extends z.ZodType = z.ZodUnknown,
>(
  definition: EndpointDefinition<B, Q, R>,
): Endpoint => {
  const { auditSubject, handler, ...rest } = definition
  return {
    errorFormat: 'statusMessage',
    anonymousIs403: () => false,
    ...rest,
    auditSubject: (call) => auditSubject?.(call as RestCall<z.output<B>, z.output<Q>>) ?? '',
    handler: (call) => handler(call as RestCall<z.output<B>, z.output<Q>>),
  }
}
