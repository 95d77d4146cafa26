import { spawn } from 'node:child_process'
import { request } from 'node:https'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { createManagerConsole } from '../../src/console/authority-console.ts'
import { RestApi } from '../../src/rest/rest.ts'
import type { TestEnvironment } from './test-environment.ts'

export const CLOUD_V1_PREFIX = '/services/api/smart-accounts-and-licensing'
export const CLOUD_V2_PREFIX = '/v1/software/apis'

export interface RestRequest {
  readonly method?: string
  readonly headers?: Record<string, string>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as a form. */
  readonly form?: Record<string, string>
  /** Sent unchanged, with no content type unless `headers` has one. */
  readonly text?: string
  readonly token?: string
}

/** A response, with its body parsed as JSON if possible. */
export interface RestAnswer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test says what it expects of it
  readonly json: any
}

/** Sends one HTTPS request without normalizing its path. */
export function sendRaw(
  to: { port: number },
  path: string,
  { method, headers = {}, body, form, text, token }: RestRequest = {},
): Promise<RestAnswer> {
  const payload =
    text ?? (form ? new URLSearchParams(form).toString() : body === undefined ? null : JSON.stringify(body))
  const type = form ? 'application/x-www-form-urlencoded' : body === undefined ? null : 'application/json'
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: to.port,
        // The certificate follows the virtual clock, so it may be invalid now. Other tests check it.
        rejectUnauthorized: false,
        path,
        method: method ?? (payload === null ? 'GET' : 'POST'),
        agent: false,
        headers: {
          ...(payload !== null && { 'content-length': String(Buffer.byteLength(payload)) }),
          ...(type !== null && { 'content-type': type }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      (response) => {
        let received = ''
        response.setEncoding('utf8')
        response.on('error', reject)
        response.on('data', (part: string) => (received += part))
        response.on('end', () => {
          let json: unknown = null
          try {
            json = JSON.parse(received)
          } catch {
            // Some responses have no JSON body.
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: received, json })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(payload ?? '')
  })
}

/** Serves the REST API and the web console of an authority on one TLS port, in this process. */
export async function serveRest(world: TestEnvironment, limits: { requests?: number } = {}) {
  const logged: string[] = []
  const logger = {
    info: () => undefined,
    error: (message: string, fields?: object) => logged.push(`${message} ${JSON.stringify(fields ?? {})}`),
  }
  const managerConsole = await createManagerConsole(world.authority, {
    dataDir: join(world.directory, 'authority'),
    host: '127.0.0.1',
    names: [],
    clock: world.clock,
    logger,
  })
  const api = new RestApi(world.authority, { clock: world.clock, logger, ...limits })
  const url = await world.authority.listen({
    host: '127.0.0.1',
    port: 0,
    routes: async (server: FastifyInstance) => {
      await server.register(managerConsole.routes)
      await server.register(api.routes)
    },
  })
  const to = { port: Number(new URL(url).port) }
  const send = (path: string, sent?: RestRequest) => sendRaw(to, path, sent)

  /** Creates an API client and requests an access token. */
  const clientToken = async (
    options: Parameters<TestEnvironment['authority']['security']['apiClients']['create']>[0] = {},
  ) => {
    const { clientId, clientSecret } = await world.authority.security.apiClients.create(options)
    const answer = await send('/oauth/token', {
      body: { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret },
    })
    return { clientId, clientSecret, token: answer.json.access_token as string }
  }
  return { url, to, send, clientToken, logged, firstPasswordFile: managerConsole.firstPasswordFile }
}

export type Rest = Awaited<ReturnType<typeof serveRest>>

/** Runs a command and returns its exit code and output. */
export const runCommand = (
  command: string,
  words: readonly string[],
  { input = '', env = process.env }: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'], env })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, stdout, stderr })
    })
  })
