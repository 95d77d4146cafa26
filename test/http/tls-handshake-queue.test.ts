import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SECOND } from '../../src/core/time.ts'
import { HandshakeQueue, interceptConnections } from '../../src/http/tls-handshake-queue.ts'

/** Simulated uptime of the machine in milliseconds. */
let uptime = 0
let server: Server
let accepted: Socket[] = []
let clients: Socket[] = []

beforeEach(async () => {
  uptime = 1_000_000
  accepted = []
  clients = []
  server = createServer({ allowHalfOpen: true })
  interceptConnections(server)
  server.on('connection', (raw) => accepted.push(raw))
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(() => {
  for (const socket of [...clients, ...accepted]) socket.destroy()
  server.close()
})

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Connects a client that sends a greeting. Returns the sockets of the client and of the server. */
async function connectClient(greeting: string) {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  clients.push(socket)
  const number = accepted.length
  socket.write(greeting)
  await until(() => accepted.length > number)
  const raw = accepted[number]
  if (!raw) throw new Error('nothing was accepted')
  await until(() => raw.readableLength === greeting.length)
  return { socket, raw }
}

function queue() {
  const begun: string[] = []
  const made = new HandshakeQueue(
    (raw) => {
      begun.push(String(raw.read()))
    },
    () => uptime,
  )
  return { made, begun }
}

describe('a queue of TLS handshakes', () => {
  it('starts them in order of arrival, with the data already received', async () => {
    const { made, begun } = queue()
    const names = Array.from({ length: 40 }, (_, i) => `greeting ${i}`)
    const all = []
    for (const name of names) all.push(await connectClient(name))
    for (const { raw } of all) made.add(raw)
    await until(() => begun.length === names.length)
    expect(begun).toEqual(names)
    expect(made.length).toBe(0)
  })

  it('starts the newest first if the oldest has waited too long', async () => {
    const { made, begun } = queue()
    const early = [await connectClient('early 0'), await connectClient('early 1')]
    const late = await connectClient('late')
    for (const { raw } of early) made.add(raw)
    uptime += 6 * SECOND
    made.add(late.raw)
    await until(() => begun.length === 3)
    expect(begun).toEqual(['late', 'early 1', 'early 0'])
  })

  it('skips clients that disconnected while waiting', async () => {
    const { made, begun } = queue()
    const gone = await connectClient('gone')
    const here = await connectClient('here')
    gone.socket.end()
    // The end of the stream has arrived after data that was not read.
    await once(gone.socket, 'finish')
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    made.add(gone.raw)
    made.add(here.raw)
    await until(() => begun.length > 0 && made.length === 0 && gone.raw.destroyed)
    expect(begun).toEqual(['here'])
  })
})
