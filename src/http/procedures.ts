import type { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import type { UserRole } from './user-roles.ts'
import type { JsonStream } from './json-stream.ts'

/**
 * Callers that may use a procedure: anyone, any signed-in user (even with a one-time password), or users of a
 * role or a higher one.
 */
export type Access = 'open' | 'signed-in' | UserRole

/** Signed-in user that calls a procedure. */
export interface Caller {
  readonly name: string
  readonly role: UserRole
  readonly account: string | null
  readonly virtualAccount: string | null
  readonly address: string
  /** Cookie value of the session. */
  readonly session: string
}

interface ProcedureBase<I extends z.ZodType> {
  readonly access: Access
  /** One line for the description of the API. */
  readonly summary: string
  /** Returns the name of the object of a call for the audit entry. The name must contain no secret. */
  auditSubject?(input: z.output<I>): string
}

interface QueryDefinition<I extends z.ZodType, O extends z.ZodType> extends ProcedureBase<I> {
  readonly schema: { readonly querystring: I; readonly response: O }
}
interface MutationDefinition<I extends z.ZodType, O extends z.ZodType> extends ProcedureBase<I> {
  readonly schema: { readonly body: I; readonly response: O }
  /** Limit of the body in bytes, which replaces the console's limit. */
  readonly bodyLimit?: number
}

/** Procedure that changes nothing: `GET /api/v1/<name>`, with its input in the query. */
export interface Query<
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> extends QueryDefinition<I, O> {
  readonly method: 'GET'
}
/** Procedure that changes data: `POST /api/v1/<name>`, with its input as JSON. */
export interface Mutation<
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> extends MutationDefinition<I, O> {
  readonly method: 'POST'
}
export type Procedure = Query | Mutation
/** Procedures by name, shared by pages and server. A contract must not import server code. */
export type Contract = Readonly<Record<string, Procedure>>

export const query = <I extends z.ZodType, O extends z.ZodType>(
  definition: QueryDefinition<I, O>,
): Query<I, O> => ({ method: 'GET', ...definition })

export const mutation = <I extends z.ZodType, O extends z.ZodType>(
  definition: MutationDefinition<I, O>,
): Mutation<I, O> => ({ method: 'POST', ...definition })

/** Response of a handler, complete or as a stream. The schema is not applied to a stream. */
type Answer<T> = T | (T extends object ? JsonStream<T> : never)
type InputSchema<P> = P extends Query<infer I> | Mutation<infer I> ? I : never
type Handler<P> = P extends { schema: { response: infer O extends z.ZodType } }
  ? (input: z.output<InputSchema<P>>, caller: Caller) => Answer<z.input<O>> | Promise<Answer<z.input<O>>>
  : never

/** Procedure with its handler, which the server calls with a validated input. */
export type BoundProcedure = Procedure & {
  handler(input: unknown, caller: Caller): unknown
}
export type Procedures = Readonly<Record<string, BoundProcedure>>

/** Binds each procedure of a contract to its handler. */
export const implement = <C extends Contract>(
  contract: C,
  handlers: { readonly [N in keyof C]: Handler<C[N]> },
): Procedures =>
  Object.fromEntries(
    Object.entries(contract).map(([name, procedure]) => {
      const handler = handlers[name as keyof C]
      return [name, { ...procedure, handler }]
    }),
  )

/** Refuses a caller who is limited to one smart account. @throws LicensingError PERMISSION_DENIED */
export function assertGlobalAdmin({ name, account }: Caller): void {
  if (account === null) return
  throw new LicensingError('PERMISSION_DENIED', `${name} administers ${account} only.`)
}
