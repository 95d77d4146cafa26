import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SECOND } from '../../src/core/time.ts'
import { HandshakeQueue, interceptConnections } from '../../src/http/tls-handshake-queue.ts'

/** The machine's uptime, as far as these tests know. */
let uptime = 0
let server: Server
let taken: Socket[] = []
let callers: Socket[] = []

beforeEach(async () => {
  uptime = 1_000_000
  taken = []
  callers = []
  server = createServer({ allowHalfOpen: true })
  interceptConnections(server)
  server.on('connection', (raw) => taken.push(raw))
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(() => {
  for (const socket of [...callers, ...taken]) socket.destroy()
  server.close()
})

const until = async (so: () => boolean) => {
  while (!so()) await new Promise((resolve) => setImmediate(resolve))
}

/** Somebody who greets, and waits: here, and how the server sees it. */
async function caller(greeting: string) {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  callers.push(socket)
  const number = taken.length
  socket.write(greeting)
  await until(() => taken.length > number)
  const raw = taken[number]
  if (!raw) throw new Error('nothing was taken')
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
  it('begins them in the order they came, each with what it said already', async () => {
    const { made, begun } = queue()
    const names = Array.from({ length: 40 }, (_, i) => `greeting ${i}`)
    const all = []
    for (const name of names) all.push(await caller(name))
    for (const { raw } of all) made.add(raw)
    await until(() => begun.length === names.length)
    expect(begun).toEqual(names)
    expect(made.length).toBe(0)
  })

  it('begins those first who came last, where the first have waited too long to be served in time', async () => {
    const { made, begun } = queue()
    const early = [await caller('early 0'), await caller('early 1')]
    const late = await caller('late')
    for (const { raw } of early) made.add(raw)
    uptime += 6 * SECOND
    made.add(late.raw)
    await until(() => begun.length === 3)
    expect(begun).toEqual(['late', 'early 1', 'early 0'])
  })

  it('does nothing for those who have gone while they waited', async () => {
    const { made, begun } = queue()
    const gone = await caller('gone')
    const here = await caller('here')
    gone.socket.end()
    // The end has arrived behind what was said, which nobody has read.
    await once(gone.socket, 'finish')
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    made.add(gone.raw)
    made.add(here.raw)
    await until(() => begun.length > 0 && made.length === 0 && gone.raw.destroyed)
    expect(begun).toEqual(['here'])
  })
})
