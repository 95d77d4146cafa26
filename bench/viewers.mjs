// Signs in at the web console of a measured server, and simulates viewers of its pages.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

const PASSWORD = 'correct horse battery'
const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: Infinity })

/** Sends a request to the API of the console. @returns the status, the number of bytes and the response */
export function call({ port }, path, { body, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      },
      (response) => {
        const chunks = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks)
          resolve({ status: response.statusCode, bytes: text.length, text: String(text), response })
        })
        response.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? '' : JSON.stringify(body))
  })
}

async function signInWith(server, password) {
  const { text, response } = await call(server, '/api/v1/sign-in', { body: { name: 'admin', password } })
  const cookie = response.headers['set-cookie']?.[0].split(';')[0]
  if (cookie === undefined) throw new Error(text)
  return { cookie, 'x-session-token': JSON.parse(text).token }
}

/** Signs in as the first user, with the one-time password at the first call. @returns the headers of further calls */
export async function signIn(server) {
  if (server.firstPasswordFile !== null) {
    const current = readFileSync(server.firstPasswordFile, 'utf8').trim()
    const headers = await signInWith(server, current)
    await call(server, '/api/v1/change-password', { headers, body: { current, password: PASSWORD } })
    server.firstPasswordFile = null
  }
  return signInWith(server, PASSWORD)
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Follows the event stream of the console, as an open page does. */
function follow({ port }, headers) {
  const outgoing = request({
    agent: false,
    rejectUnauthorized: false,
    host: '127.0.0.1',
    port,
    path: '/api/v1/live',
    headers,
  })
  outgoing.on('response', (response) => response.resume())
  outgoing.on('error', () => undefined)
  outgoing.end()
}

/** Reads a page of the product instances every three seconds. */
async function view(server, headers, virtualAccounts) {
  follow(server, headers)
  await pause(Math.random() * INTERVAL_MS)
  for (;;) {
    const begun = performance.now()
    const where = new URLSearchParams({
      virtualAccount: virtualAccounts[Math.floor(Math.random() * virtualAccounts.length)],
      limit: '50',
      skip: String(50 * Math.floor(Math.random() * 20)),
    })
    const { status, text } = await call(server, `/api/v1/instances?${where}`, { headers })
    if (status !== 200) throw new Error(`answered ${status}: ${text}`)
    await pause(Math.max(0, INTERVAL_MS - (performance.now() - begun)))
  }
}

/** Milliseconds from one page to the next. */
const INTERVAL_MS = 3_000

// As a program: node bench/viewers.mjs '{"port":…,"headers":…,"viewers":20,"virtualAccounts":[…]}'
if (process.argv[1] === import.meta.filename) {
  const { headers, viewers, virtualAccounts, ...server } = JSON.parse(process.argv[2])
  await Promise.all(Array.from({ length: viewers }, () => view(server, headers, virtualAccounts)))
}
