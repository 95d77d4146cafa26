import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { pickEveryNth } from '../support/scale.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
let listener: Server
let connections = 0
let url: string

beforeEach(async () => {
  programs = createPrograms()
  connections = 0
  // This server stands in for the authority and counts connections.
  listener = createServer((socket) => {
    connections++
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  url = `https://localhost:${typeof address === 'object' && address ? address.port : 0}`
})
afterEach(async () => {
  await programs.close()
  await new Promise((resolve) => listener.close(resolve))
})

it('a device with a reservation opens no connection in two years, whatever command runs (R-SLR-4)', async () => {
  const { agent, authority, good } = programs
  const seenFile = join(programs.directory, 'sockets')
  const watched = {
    NODE_OPTIONS: `--require ${new URL('../../scripts/watch-sockets.cjs', import.meta.url).pathname}`,
    SOCKETS_SEEN: seenFile,
  }
  const seen = () => (existsSync(seenFile) ? readFileSync(seenFile, 'utf8') : '')
  await programs.initAuthority()
  await programs.order(20)
  await good(authority(['reservation', 'enable', '--json']))
  await programs.initDevice(url)
  const token = await programs.token()

  // A device without a reservation shows that the watch works.
  await agent(['register', token], { env: watched })
  expect(seen()).toContain('connect')
  expect(connections).toBeGreaterThan(0)
  await agent(['deregister', '--yes'], { env: watched })

  const { requestCode } = await good<{ requestCode: string }>(agent(['reservation', 'request', '--json']))
  const file = join(programs.directory, 'authorization.txt')
  await good(
    authority([
      'reservation',
      'reserve',
      '--request',
      requestCode,
      '--license',
      'HOST=5',
      '--out',
      file,
      '--json',
    ]),
  )
  await good(agent(['reservation', 'install', file, '--json']))
  writeFileSync(seenFile, '')
  connections = 0

  const commands = [
    ['usage', 'set', 'HOST', '7'],
    ['usage', 'set', 'HOST', '5'],
    ['transport', 'test'],
    ['transport', 'direct', url],
    ['register', token],
    ['register', token, '--force'],
    ['reregister', token],
    ['renew', 'registration'],
    ['renew', 'authorization'],
    ['deregister', '--yes'],
    ['reservation', 'request'],
    ['status'],
    ['why'],
    ['show', 'all'],
  ]
  // Each daemon runs for some weeks, at the beginning and when both renewals would be due.
  // Each gets half of the commands.
  for (const [i, time] of ['+0 x200000', '+181d x200000'].entries()) {
    const daemon = await programs.daemon({ time, env: watched })
    for (const words of pickEveryNth(2, commands.slice(i % 2))) await agent(words, { env: watched })
    await daemon.stop()
  }

  // Without a daemon each command runs in its own process.
  for (const words of commands) await agent(words, { env: watched, time: '+800d' })
  const refused = await agent(['register', token, '--json'], { env: watched })
  expect(parseError(refused).code).toBe('RESERVED')

  expect(seen()).toBe('')
  expect(connections).toBe(0)
  expect(await programs.status()).toMatchObject({
    state: 'reserved',
    functionality: 'full',
  })
})
