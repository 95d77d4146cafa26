import type { z } from 'zod'
import type { Output } from './contract-output.ts'

export type { Output }

// Only types of the contract may be imported: no server code belongs in the browser bundle.
type Named<P, M> = { [N in keyof P]: P[N] extends { method: M } ? N : never }[keyof P] & string
type Input<P, N extends keyof P> = P[N] extends { schema: { querystring: infer I extends z.ZodType } }
  ? z.input<I>
  : P[N] extends { schema: { body: infer I extends z.ZodType } }
    ? z.input<I>
    : never

/** Error answer of the server. */
export class Failure extends Error {
  readonly code: string
  readonly remedy: string
  /** Name of the invalid input field. */
  readonly field: string | null

  constructor(error: { code: string; message: string; remedy: string; field?: string | undefined }) {
    super(error.message)
    this.code = error.code
    this.remedy = error.remedy
    this.field = error.field ?? null
  }
}

export const toFailure = (error: unknown): Failure =>
  error instanceof Failure
    ? error
    : new Failure({
        code: 'SERVER_UNREACHABLE',
        message: 'The server could not be reached.',
        remedy: 'Check that it runs and that the network leads to it; then try again.',
      })

const TOKEN_KEY = 'session-token'
const API_PREFIX = '/api/v1'

/** Stored session token, which the server requires in addition to the session cookie. */
export const session = {
  token: (): string | null => localStorage.getItem(TOKEN_KEY),
  begin: (token: string) => {
    localStorage.setItem(TOKEN_KEY, token)
  },
  end: () => {
    localStorage.removeItem(TOKEN_KEY)
    window.dispatchEvent(new Event('signed-out'))
  },
}

const createHeaders = (): Record<string, string> => {
  const token = session.token()
  return token === null ? {} : { 'x-session-token': token }
}

async function readResponse(response: Response): Promise<unknown> {
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok) return answer
  const error = (answer as { error?: ConstructorParameters<typeof Failure>[0] } | null)?.error
  const failure = error ? new Failure(error) : toFailure(null)
  if (failure.code === 'SIGN_IN_REQUIRED' || failure.code === 'SESSION_TOKEN_INVALID') session.end()
  throw failure
}

const toQueryString = (input: object): string => {
  const given = Object.entries(input as Record<string, unknown>).filter(
    ([, value]) => value !== undefined && value !== '',
  )
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`
}

/** Typed client of an API contract. */
export interface Api<C> {
  /** @throws Failure */
  query: <N extends Named<C, 'GET'>>(name: N, input?: Input<C, N>) => Promise<Output<C, N>>
  /** @throws Failure */
  mutate: <N extends Named<C, 'POST'>>(name: N, input?: Input<C, N>) => Promise<Output<C, N>>
}

const sendRequest = async (url: string, init: RequestInit): Promise<unknown> => {
  let response: Response
  try {
    response = await fetch(url, { ...init, credentials: 'same-origin' })
  } catch {
    throw toFailure(null)
  }
  return readResponse(response)
}

export const createApi = <C>(): Api<C> => ({
  query: async (name, input) =>
    (await sendRequest(`${API_PREFIX}/${name}${toQueryString(input ?? {})}`, {
      headers: createHeaders(),
    })) as Output<C, typeof name>,
  mutate: async (name, input) =>
    (await sendRequest(`${API_PREFIX}/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...createHeaders() },
      body: JSON.stringify(input ?? {}),
    })) as Output<C, typeof name>,
})

/** Subscribes to server events and reconnects after a failure. @returns a function that stops the subscription */
export function subscribe(
  take: (event: string, data: unknown) => void,
  link: (up: boolean) => void,
): () => void {
  const stop = new AbortController()
  const run = async () => {
    const response = await fetch(`${API_PREFIX}/live`, { headers: createHeaders(), signal: stop.signal })
    if (!response.ok || !response.body) {
      await readResponse(response)
      return
    }
    link(true)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const parts = (rest + value).split('\n\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const event = /^event: (.*)$/m.exec(part)?.[1]
        const data = /^data: (.*)$/m.exec(part)?.[1]
        if (event !== undefined && data !== undefined) take(event, JSON.parse(data))
      }
    }
  }
  const again = () => {
    run()
      .catch(() => undefined)
      .finally(() => {
        if (stop.signal.aborted || session.token() === null) return
        link(false)
        setTimeout(again, 2_000)
      })
  }
  again()
  return () => {
    stop.abort()
  }
}
