import { createInspector, createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { createInspectorServer } from '@statelyai/inspect/server'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMachine } from 'xstate'
import type { SmartAgent } from '../../src/index.ts'
import { connectToInspector } from '../../src/console/inspector-client.ts'
import { serveInspector } from '../../src/console/inspector.ts'
import { eventually } from '../support/eventually.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let agent: SmartAgent
const closers: (() => unknown)[] = []

beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await world.close()
})

/** Reserves a free port, which the server of @statelyai/inspect does not choose itself. */
const findFreePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => {
        resolve(port)
      })
    })
  })

function receive(server: string): StatelyInspectionEvent[] {
  const received: StatelyInspectionEvent[] = []
  const subscription = createWebSocketReceiver({ server }).subscribe((event) => {
    received.push(event)
  })
  closers.push(() => {
    subscription.unsubscribe()
  })
  return received
}

/** Returns the states of the license region that a viewer would show, in order. */
const toLicenseStates = (events: readonly StatelyInspectionEvent[]): string[] => [
  ...new Set(
    events.flatMap((event) =>
      'snapshot' in event
        ? [JSON.stringify((event.snapshot as { value: { license: unknown } }).value.license)]
        : [],
    ),
  ),
]

describe('R-INS-6: the inspectors of @statelyai/inspect', () => {
  it('receive machine, history and events from the served inspector', async () => {
    await agent.register(await world.token())
    const served = await serveInspector(agent, { host: '127.0.0.1', port: 0 })
    closers.push(served.close)
    const received = receive(served.url)
    await eventually(() => {
      expect(received.length).toBeGreaterThan(4)
    })
    const [actor] = received
    expect(actor).toMatchObject({ type: '@xstate.actor' })
    const { definition } = actor as { definition: string }
    expect(createMachine(JSON.parse(definition) as never).root.states.license?.states).toHaveProperty(
      'authorized',
    )
    await agent.deregister()
    await eventually(() => {
      expect(toLicenseStates(received)).toContain('{"authorized":"current"}')
      expect(toLicenseStates(received).at(0)).toBe('"evaluation"')
    })
  })

  it('show an agent that connects to createInspectorServer, also to a viewer that comes late', async () => {
    const port = await findFreePort()
    const server = createInspectorServer({ port, autoOpen: false })
    closers.push(() => {
      server.stop()
    })
    await agent.register(await world.token())
    const warnings: string[] = []
    const client = connectToInspector(agent, `ws://127.0.0.1:${port}`, {
      warn: (message) => warnings.push(message),
    })
    closers.push(client.close)
    agent.setUsage('HOST', 2)
    await agent.flushUsage()
    const received = receive(`ws://127.0.0.1:${port}`)
    await eventually(() => {
      expect(received.at(0)?.type).toBe('@xstate.actor')
      expect(toLicenseStates(received)).toContain('{"authorized":"current"}')
    })
    expect(warnings).toEqual([])
  })

  it('are attached by the option `inspect` of SmartAgent.open', async () => {
    const sent: StatelyInspectionEvent[] = []
    await agent.close()
    const inspector = createInspector({ send: (event) => sent.push(event) })
    const inspected = await world.open('device', { inspect: inspector })
    await inspected.register(await world.token())
    expect(sent.at(0)?.type).toBe('@xstate.actor')
    expect(new Set(sent.map(({ type }) => type))).toEqual(
      new Set(['@xstate.actor', '@xstate.event', '@xstate.snapshot']),
    )
    expect(toLicenseStates(sent)).toContain('{"authorized":"current"}')
    expect(new Set(sent.map(({ sessionId }) => sessionId)).size).toBe(1)
    await inspected.close()
  })

  it('do not disturb the agent when they fail', async () => {
    await agent.close()
    const broken = () => {
      throw new Error('the inspector broke')
    }
    const inspected = await world.open('device', {
      inspect: { actor: broken, event: broken, snapshot: broken },
    })
    expect((await inspected.register(await world.token())).state).toBe('authorized')
    await inspected.close()
  })

  it('are given as ws: or wss: URLs', async () => {
    const logger = { warn: () => undefined }
    for (const url of ['http://localhost:8080', 'localhost:8080', ''])
      expect(await getErrorCode(Promise.resolve().then(() => connectToInspector(agent, url, logger)))).toBe(
        'INVALID_ARGUMENT',
      )
  })
})
