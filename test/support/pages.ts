import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { serveDeviceConsole } from '../../src/console/device-console.ts'
import { createManagerConsole } from '../../src/console/authority-console.ts'
import type { TestEnvironment } from './test-environment.ts'

/** Response to a request of `send`. */
export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
  /** Error code in the body, or null. */
  readonly code: string | null
}

/** Sends one HTTPS request with arbitrary headers. */
export function send(
  url: string,
  path: string,
  options: {
    headers?: Record<string, string>
    body?: unknown
    text?: string
    /** Called when the response begins. A response may stay open for long. */
    begun?: () => void
  } = {},
): Promise<Answer> {
  const { headers = {}, body } = options
  const text = options.text ?? (body === undefined ? null : JSON.stringify(body))
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(path, url),
      {
        method: text === null ? 'GET' : 'POST',
        // The console's certificate is self-signed. Other tests check it.
        rejectUnauthorized: false,
        agent: false,
        headers: {
          ...(text !== null && {
            'content-type': 'application/json',
            'content-length': String(Buffer.byteLength(text)),
          }),
          ...headers,
        },
      },
      (response) => {
        options.begun?.()
        let received = ''
        response.setEncoding('utf8')
        response.on('error', reject)
        response.on('data', (part: string) => (received += part))
        response.on('end', () => {
          let code: string | null = null
          try {
            code = (JSON.parse(received) as { error?: { code: string } }).error?.code ?? null
          } catch {
            // Some responses are not JSON.
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: received, code })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(text ?? '')
  })
}

/** A signed-in browser session. */
export interface Visitor {
  readonly cookie: string
  readonly token: string
  query: (call: string) => Promise<Answer>
  mutate: (call: string, input?: object) => Promise<Answer>
  /** Subscribes to live updates. Resolves when the response begins; `ended` has the whole stream. */
  subscribe: () => Promise<{ ended: Promise<Answer> }>
}

export const PASSWORD = 'correct horse battery'

export async function signIn(url: string, name: string, password: string): Promise<Visitor> {
  const answer = await send(url, '/api/v1/sign-in', { body: { name, password } })
  if (answer.status !== 200) throw new Error(`The sign-in failed: ${answer.body}`)
  const [cookie = ''] = (answer.headers['set-cookie'] as string[])[0]!.split(';')
  const { token } = JSON.parse(answer.body) as { token: string }
  const headers = { cookie, 'x-session-token': token }
  return {
    cookie,
    token,
    query: (call) => send(url, `/api/v1/${call}`, { headers }),
    mutate: (call, input = {}) => send(url, `/api/v1/${call}`, { headers, body: input }),
    subscribe: () =>
      new Promise((resolve, reject) => {
        const ended = send(url, '/api/v1/live', {
          headers,
          begun: () => {
            resolve({ ended })
          },
        })
        ended.catch(reject)
      }),
  }
}

/** Signs in with the one-time password and sets a new password. */
export async function signInFirst(url: string, passwordFile: string | null): Promise<Visitor> {
  const first = readFileSync(passwordFile!, 'utf8').trim()
  const visitor = await signIn(url, 'admin', first)
  await visitor.mutate('change-password', { current: first, password: PASSWORD })
  return visitor
}

/** Serves the web consoles of a device and of its authority in this process. */
export async function servePages(
  world: TestEnvironment,
  { trustedProxies = [] }: { trustedProxies?: readonly string[] } = {},
) {
  const agent = await world.open()
  const logged: string[] = []
  const logger = {
    info: () => undefined,
    error: (message: string, fields?: object) => logged.push(`${message} ${JSON.stringify(fields ?? {})}`),
  }
  const device = await serveDeviceConsole(agent, {
    dataDir: join(world.directory, 'device'),
    host: '127.0.0.1',
    port: 0,
    trustedProxies,
    clock: world.clock,
    logger,
  })
  const managerConsole = await createManagerConsole(world.authority, {
    dataDir: join(world.directory, 'authority'),
    host: '127.0.0.1',
    names: [],
    clock: world.clock,
    logger,
  })
  const url = await world.authority.listen({
    host: '127.0.0.1',
    port: 0,
    routes: managerConsole.routes,
    trustedProxies,
  })
  return {
    agent,
    logged,
    device,
    manager: { url, firstPasswordFile: managerConsole.firstPasswordFile },
    close: () => device.close(),
  }
}
