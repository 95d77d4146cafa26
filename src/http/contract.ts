import type { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'
import type { Role } from './users.ts'

/** Who may make a call: anybody, who is signed in (a one-time password will do), or a role and those above it. */
export type Access = 'open' | 'signed-in' | Role

/**
 * One call of an API, as both sides know it. `GET /api/v1/<name>` reads, its input in the query; `POST` changes something,
 * its input as JSON.
 */
export interface Call<
  M extends 'GET' | 'POST' = 'GET' | 'POST',
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType = z.ZodType,
> {
  readonly method: M
  readonly access: Access
  /** What it does, in a line: for the description of the API. */
  readonly summary: string
  readonly input: I
  readonly output: O
  /** Bytes of the largest input; a quarter of a mebibyte unless said. */
  readonly largest?: number
  /** What it is done to, for the audit record: public names only. */
  about(input: z.output<I>): string
}

interface Facts<I extends z.ZodType, O extends z.ZodType> {
  readonly access: Access
  readonly summary: string
  readonly input: I
  readonly output: O
  readonly largest?: number
  readonly about?: (input: z.output<I>) => string
}

export const read = <I extends z.ZodType, O extends z.ZodType>(facts: Facts<I, O>): Call<'GET', I, O> => ({
  method: 'GET',
  about: () => '',
  ...facts,
})

export const act = <I extends z.ZodType, O extends z.ZodType>(facts: Facts<I, O>): Call<'POST', I, O> => ({
  method: 'POST',
  about: () => '',
  ...facts,
})

/** Who makes a call. */
export interface Caller {
  readonly name: string
  readonly role: Role
  readonly account: string | null
  readonly virtualAccount: string | null
  readonly address: string
  /** The session's cookie value. */
  readonly session: string
}

/** What belongs to no one smart account is for those who administer all of them. @throws LicensingError PERMISSION_DENIED */
export function requireEveryAccount({ name, account }: Caller): void {
  if (account === null) return
  throw new LicensingError('PERMISSION_DENIED', `${name} administers ${account} only.`)
}

/** An input that is not of its form: which field, for the page to say so beside it. */
export class InvalidInput extends Error {
  readonly field: string
  readonly failure: LicensingError

  constructor(field: string, message: string) {
    super(message)
    this.field = field
    this.failure = new LicensingError('INVALID_ARGUMENT', `${field || 'The request'}: ${message}.`)
  }
}

/** @throws InvalidInput */
export function parseInput<I extends z.ZodType>(input: I, raw: unknown): z.output<I> {
  const parsed = input.safeParse(raw, ENGLISH)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InvalidInput(issue?.path.join('.') ?? '', issue?.message ?? 'not of its form')
}

/** A call with what answers it. */
export interface Served {
  readonly call: Call
  /** Checks the input, and gives back the work and what it is about. @throws InvalidInput */
  readonly take: (raw: unknown) => { about: string; work: (caller: Caller) => Promise<unknown> }
}

/** Binds a call to what answers it: the input is checked where it comes in, and nothing but what is declared goes out. */
export const serve = <M extends 'GET' | 'POST', I extends z.ZodType, O extends z.ZodType>(
  call: Call<M, I, O>,
  run: (input: z.output<I>, caller: Caller) => z.input<O> | Promise<z.input<O>>,
): Served => ({
  call,
  take: (raw) => {
    const input = parseInput(call.input, raw)
    return {
      about: call.about(input),
      work: async (caller) => call.output.parse(await run(input, caller)),
    }
  },
})

/** The calls of a contract, each with what answers it. */
export type ServedContract<C> = { readonly [N in keyof C]: Served }
