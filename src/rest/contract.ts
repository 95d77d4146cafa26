import type { z } from 'zod'
import type { ApiCaller, ApiScope } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { Instant } from '../core/time.ts'
import type { EnvelopeForm } from './error-responses.ts'
import { parsed } from './parse-input.ts'

/** One call as an endpoint sees it: who makes it, what is named in its path, what came with it. */
export interface RestCall<B = unknown, Q = unknown> {
  readonly authority: Authority
  readonly caller: ApiCaller
  /** The smart account of the path; of a path without one the caller's own, undefined for all of them. */
  readonly account: string | undefined
  /** The virtual account of the path. */
  readonly virtualAccount: string | undefined
  readonly body: B
  readonly query: Q
  readonly header: (name: string) => string | undefined
  readonly at: Instant
}

/** One call of the REST API, in every place it is served at. */
export interface Endpoint {
  readonly name: string
  readonly method: 'GET' | 'POST'
  /** Whole paths, with `:domain` and `:virtualAccount`; the first is the one that is described. */
  readonly routes: readonly string[]
  readonly needs: ApiScope
  /** How it words what it refuses. */
  readonly envelope: EnvelopeForm
  readonly summary: string
  readonly body: z.ZodType
  readonly query: z.ZodType
  readonly answer: z.ZodType
  /** Without an access token it answers 403 there, as the field's on-premises server does. */
  readonly forbidsStrangers: (route: string) => boolean
  /** Checks what came, and gives back the work and what it is about, for the audit record. @throws LicensingError INVALID_ARGUMENT */
  readonly take: (call: RestCall) => { about: string; work: () => Promise<unknown> }
}

interface Facts<B extends z.ZodType, Q extends z.ZodType, A extends z.ZodType> {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly routes: readonly string[]
  readonly needs: ApiScope
  readonly envelope?: EnvelopeForm
  readonly summary: string
  readonly body: B
  readonly query: Q
  readonly answer: A
  readonly forbidsStrangers?: (route: string) => boolean
  readonly about?: (call: RestCall<z.output<B>, z.output<Q>>) => string
  readonly run: (call: RestCall<z.output<B>, z.output<Q>>) => Promise<z.input<A>>
}

/** Clients write every parameter that there is, with nothing behind those they do not mean. */
const withoutBlanks = (query: unknown): unknown =>
  typeof query === 'object' && query !== null
    ? Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))
    : query

/** Binds an endpoint to what answers it: what comes is checked where it comes in, and nothing but what is declared goes out. */
export const endpoint = <B extends z.ZodType, Q extends z.ZodType, A extends z.ZodType>(
  facts: Facts<B, Q, A>,
): Endpoint => {
  const { envelope = 'E1', forbidsStrangers = () => false, about = () => '', run, ...rest } = facts
  return {
    ...rest,
    envelope,
    forbidsStrangers,
    take: (call) => {
      const taken = {
        ...call,
        body: parsed(facts.body, call.body, 'body'),
        query: parsed(facts.query, withoutBlanks(call.query), 'query'),
      }
      return { about: about(taken), work: async () => facts.answer.parse(await run(taken)) }
    },
  }
}
