import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PendingSocket } from '../../src/transports/pending-socket.ts'

let server: Server
let socket: Socket
let peer: Socket
let open: (socket: Socket) => void
let fail: (error: Error) => void
let pending: PendingSocket

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  ;[peer] = (await once(server, 'connection')) as [Socket]
  pending = new PendingSocket(
    new Promise((resolve, reject) => {
      open = resolve
      fail = reject
    }),
  )
})
afterEach(() => {
  pending.destroy()
  socket.destroy()
  peer.destroy()
  server.close()
})

it('R-LAB-2: writes and the end of the stream wait for the connection', async () => {
  pending.write('written ')
  pending.end('before')
  expect([pending.connecting, pending.address()]).toEqual([true, {}])
  open(socket)
  await once(pending, 'connect')
  expect([pending.connecting, pending.address()]).toEqual([false, socket.address()])
  let received = ''
  for await (const chunk of peer) received += String(chunk)
  expect(received).toBe('written before')
})

it('R-LAB-2: ends and closes with the connection', async () => {
  open(socket)
  pending.resume()
  peer.end()
  await once(pending, 'end')
  await once(pending, 'close')
  expect(socket.destroyed).toBe(true)
})

it('R-LAB-2: stops to read from the connection while the reader is slow', async () => {
  open(socket)
  await once(pending, 'connect')
  const sent = Buffer.alloc(1_000_000, 'x')
  const paused = once(socket, 'pause')
  peer.end(sent)
  await paused
  expect(pending.readableLength).toBeLessThan(sent.length)
  let length = 0
  for await (const chunk of pending) length += (chunk as Buffer).length
  expect(length).toBe(sent.length)
})

it('R-LAB-2: a failure is an error of the stream, and closes it', async () => {
  const errors: unknown[] = []
  pending.on('error', (error) => errors.push(error))
  pending.write('x')
  const closed = new Promise((resolve) => pending.once('close', resolve))
  const failure = new Error('not opened')
  fail(failure)
  await closed
  expect(errors).toEqual([failure])
})

it('R-LAB-2: a failure of the open connection is an error of the stream', async () => {
  open(socket)
  await once(pending, 'connect')
  const failure = new Error('broken')
  socket.destroy(failure)
  expect(await once(pending, 'error')).toEqual([failure])
  expect(pending.destroyed).toBe(true)
})

it('R-LAB-2: a failure after the stream was destroyed is not reported', async () => {
  pending.destroy()
  fail(new Error('canceled'))
  await once(pending, 'close')
})

it('R-LAB-2: a connection that opens after the stream was destroyed is closed', async () => {
  pending.destroy()
  open(socket)
  await once(socket, 'close')
  expect(pending.connecting).toBe(true)
})
