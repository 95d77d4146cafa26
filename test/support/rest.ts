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
  /** Sent as it is, with no type unless a header says one. */
  readonly text?: string
  readonly token?: string
}

/** An answer, read as JSON where it has a body. */
export interface RestAnswer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test says what it expects of it
  readonly json: any
}

/** Sends one request whose path is left as it is written. */
export function sendRaw(
  to: { port: number },
  path: string,
  { method, headers = {}, body, form, text, token }: RestRequest = {},
): Promise<RestAnswer> {
  const payload =
    text ?? (form ? new URLSearchParams(form).toString() : body === undefined ? null : JSON.stringify(body))
  const type = form ? 'application/x-www-form-urlencoded' : body === undefined ? null : 'application/json'
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: to.port,
        // The world's clock is not this machine's; the certificate is looked at elsewhere.
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
        let said = ''
        response.setEncoding('utf8')
        response.on('error', reject)
        response.on('data', (part: string) => (said += part))
        response.on('end', () => {
          let json: unknown = null
          try {
            json = JSON.parse(said)
          } catch {
            // Not every answer has a body.
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: said, json })
        })
      },
    )
    asked.on('error', reject)
    asked.end(payload ?? '')
  })
}

/** The REST API and the page of a world's authority, at one port over TLS, in this process. */
export async function serveRest(world: TestEnvironment, limits: { requests?: number } = {}) {
  const logged: string[] = []
  const logger = {
    info: () => undefined,
    error: (message: string, fields?: object) => logged.push(`${message} ${JSON.stringify(fields ?? {})}`),
  }
  const page = await createManagerConsole(world.authority, {
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
      await server.register(page.routes)
      await server.register(api.routes)
    },
  })
  const to = { port: Number(new URL(url).port) }
  const send = (path: string, sent?: RestRequest) => sendRaw(to, path, sent)

  /** The access token of a new client. */
  const clientToken = async (
    wanted: Parameters<TestEnvironment['authority']['security']['apiClients']['create']>[0] = {},
  ) => {
    const { clientId, clientSecret } = await world.authority.security.apiClients.create(wanted)
    const answer = await send('/oauth/token', {
      body: { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret },
    })
    return { clientId, clientSecret, token: answer.json.access_token as string }
  }
  return { url, to, send, clientToken, logged, firstPasswordFile: page.firstPasswordFile }
}

export type Rest = Awaited<ReturnType<typeof serveRest>>

/** Runs a command to its end. */
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
