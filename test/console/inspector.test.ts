import { once } from 'node:events'
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { SmartAgent } from '../../src/index.ts'
import { serveInspector, type ServedInspector } from '../../src/console/inspector.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { eventually } from '../support/eventually.ts'

let world: TestEnvironment
let agent: SmartAgent
let inspector: ServedInspector
const clients: WebSocket[] = []

beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open()
  inspector = await serveInspector(agent, { host: '127.0.0.1', port: 0 })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await inspector.close()
  await world.close()
})

type Message = Record<string, unknown> & { type: string; snapshot?: Record<string, unknown> }

/** Connects a client that collects all messages. */
function connect(headers: Record<string, string> = {}) {
  const client = new WebSocket(inspector.url, { headers })
  clients.push(client)
  const texts: string[] = []
  client.on('message', (data: Buffer) => texts.push(data.toString()))
  client.on('error', () => undefined)
  return {
    client,
    texts,
    refused: new Promise<number | undefined>((resolve) => {
      client.on('unexpected-response', (_, response) => {
        resolve(response.statusCode)
      })
      client.on('open', () => {
        resolve(undefined)
      })
    }),
    /** Waits for `atLeast` messages, and returns all of them. */
    messages: async (atLeast: number): Promise<Message[]> => {
      while (texts.length < atLeast) await once(client, 'message')
      return texts.map((text) => JSON.parse(text) as Message)
    },
  }
}

describe('the inspector (R-UI-4, R-INS-6)', () => {
  it('sends the machine first, then its newest transitions, then each event and snapshot', async () => {
    await agent.register(await world.token())
    const past = agent.history(1000)
    const connection = connect()
    const id = connection.messages(1).then(([actor]) => actor?.sessionId)
    const [actor, ...history] = await connection.messages(1 + 2 * past.length)
    expect(await id).toMatch(/^smart-agent \S+ \S+$/)
    expect(actor).toMatchObject({
      type: '@xstate.actor',
      name: actor?.sessionId,
      rootId: actor?.sessionId,
      id: null,
      _version: '0.7.2',
      snapshot: { status: 'active', value: { license: 'evaluation', connection: 'unknown' } },
    })
    const definition = JSON.parse(String(actor?.definition)) as Record<string, unknown>
    expect(definition).toMatchObject({ id: 'smart-agent', type: 'parallel' })
    expect(definition).not.toHaveProperty('context')
    expect(history.filter(({ type }) => type === '@xstate.event').map(({ event }) => event)).toMatchObject(
      past.map(({ event, at }) => ({ type: event, at })),
    )
    expect(history.at(-1)?.snapshot).toMatchObject({ value: { license: { authorized: 'current' } } })

    agent.setUsage('HOST', 2)
    await agent.flushUsage()
    const messages = (await connection.messages(1 + 2 * past.length + 4)).slice(1 + 2 * past.length)
    expect(messages.at(0)).toMatchObject({
      type: '@xstate.event',
      sessionId: actor?.sessionId,
      event: { type: 'usage.changed', tag: 'HOST', count: 2 },
    })
    const last = messages.findLast(({ type }) => type === '@xstate.snapshot')
    expect(Object.keys(last?.snapshot ?? {}).sort()).toEqual(
      ['status', 'value', 'context', 'children', 'historyValue', 'tags'].sort(),
    )
  })

  it('sends a microstep when the machine raises an event itself', async () => {
    await agent.register(await world.token())
    const connection = connect()
    const known = 1 + 2 * agent.history(1000).length
    await connection.messages(known)
    await agent.deregister()
    await eventually(() => {
      expect(connection.texts.slice(known).join('\n')).toContain('"license":"evaluation"')
    })
    const messages = (await connection.messages(known)).slice(known)
    const [microstep] = messages.filter(({ type }) => type === '@xstate.microstep')
    expect(microstep).toMatchObject({
      event: { type: 'deregister.accepted' },
      snapshot: { value: { registration: 'deregistering' } },
    })
  })

  it('sends no token, code, key or account', async () => {
    const { messages, texts } = connect()
    await messages(1)
    const token = await world.token()
    await agent.register(token)
    agent.setUsage('HOST', 2)
    await agent.flushUsage()
    await agent.deregister()
    const requestCode = await agent.reservation.request()
    await eventually(() => {
      expect(texts.at(-2)).toContain('reservation.request')
      expect(texts.at(-1)).toContain('@xstate.snapshot')
    })
    const everything = texts.join('\n')
    for (const secret of [token, token.slice(5, 30), requestCode, 'acme.example', 'BEGIN '])
      expect(everything).not.toContain(secret)
    expect(everything).not.toMatch(/requestCode|returnCode|grant"/)
  })

  it('refuses foreign origins and host names', async () => {
    const { port } = new URL(inspector.url)
    expect(await connect({ Origin: 'https://stately.ai' }).refused).toBe(403)
    expect(await connect({ Origin: 'null' }).refused).toBe(403)
    expect(await connect({ Origin: 'http://localhost.evil.example' }).refused).toBe(403)
    expect(await connect({ Host: `evil.example:${port}` }).refused).toBe(403)
    expect(await connect({ Host: `127.0.0.1.evil.example:${port}` }).refused).toBe(403)
    expect(await connect({ Origin: 'http://localhost:5173' }).refused).toBeUndefined()
    expect(await connect({ Host: `localhost:${port}` }).refused).toBeUndefined()
  })

  it('ignores client messages and disconnects clients that send much', async () => {
    const quiet = connect()
    await quiet.messages(1)
    quiet.client.send(JSON.stringify({ type: 'deregister' }))
    const loud = connect()
    await loud.messages(1)
    const closed = once(loud.client, 'close')
    loud.client.send('x'.repeat(4096))
    await closed
    await agent.register(await world.token())
    expect((await quiet.messages(5)).length).toBeGreaterThanOrEqual(5)
    expect(agent.status().state).toBe('authorized')
  })

  it('listens on loopback only, and reports an occupied address', async () => {
    expect(await getErrorCode(serveInspector(agent, { host: '0.0.0.0', port: 0 }))).toBe('INVALID_ARGUMENT')
    const port = Number(new URL(inspector.url).port)
    expect(await getErrorCode(serveInspector(agent, { host: '127.0.0.1', port }))).toBe('ADDRESS_IN_USE')
  })

  it('answers plain HTTP requests with 426', async () => {
    const clientRequest = request(inspector.url.replace('ws:', 'http:')).end()
    const [response] = (await once(clientRequest, 'response')) as [{ statusCode: number; resume: () => void }]
    response.resume()
    expect(response.statusCode).toBe(426)
  })

  it('disconnects its clients when it closes', async () => {
    const { client, messages } = connect()
    await messages(1)
    const closed = once(client, 'close')
    await inspector.close()
    await closed
    await agent.register(await world.token())
    expect(agent.status().state).toBe('authorized')
  })
})
