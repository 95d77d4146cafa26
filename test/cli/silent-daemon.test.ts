import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { onLines } from '../../src/agent/control.ts'
import type { StartDeadline } from '../../src/agent/control-requests.ts'
import { createAgentCli } from '../../src/cli/agent/agent-cli.ts'
import { createAllowsCommand } from '../../src/cli/agent/allows.ts'
import { createEventsCommand } from '../../src/cli/agent/events.ts'
import { createMachineCommand } from '../../src/cli/agent/machine.ts'
import { createRegisterCommand } from '../../src/cli/agent/register.ts'
import { createShowCommand } from '../../src/cli/agent/show.ts'
import { createStatusCommand } from '../../src/cli/agent/status.ts'
import { createUsageCommand } from '../../src/cli/agent/usage.ts'
import { createWhyCommand } from '../../src/cli/agent/why.ts'
import { createCommand } from '../../src/cli/create-command.ts'
import { SmartAgent } from '../../src/index.ts'
import { getErrorCode } from '../support/test-environment.ts'

let directory: string
let dataDir: string
let server: Server
let sockets: Socket[]
/** Verbs that the server has received. */
let received: string[]
/** Answers a request. By default, the server answers none. */
let answer: (socket: Socket, request: { id: number; verb: string }) => void

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
  dataDir = join(directory, 'device')
  const product = { pid: 'CONF-SERVER', serial: '0001', version: '4.0' }
  await SmartAgent.init({ dataDir, product })
  const agent = await SmartAgent.open({ dataDir, heartbeat: false })
  agent.setUsage('HOST', 3)
  await agent.close()
  sockets = []
  received = []
  answer = () => undefined
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    onLines(socket, (line) => {
      const request = JSON.parse(line) as { id: number; verb: string }
      received.push(request.verb)
      answer(socket, request)
    })
  })
  server.listen(join(dataDir, 'agent.sock'))
  await once(server, 'listening')
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  rmSync(directory, { recursive: true, force: true })
})

/** Deadlines that a test ends itself. */
function createDeadlines() {
  const running: { milliseconds: number; end: () => void }[] = []
  const start: StartDeadline = (milliseconds) => {
    const controller = new AbortController()
    const deadline = {
      milliseconds,
      end: () => {
        controller.abort()
      },
    }
    running.push(deadline)
    return {
      signal: controller.signal,
      stop: () => {
        if (running.includes(deadline)) running.splice(running.indexOf(deadline), 1)
      },
    }
  }
  return { start, running }
}

/** Ends a deadline of this length as soon as there is one. */
function endDeadline(running: { milliseconds: number; end: () => void }[], length: number): void {
  const deadline = running.find(({ milliseconds }) => milliseconds === length)
  if (deadline) deadline.end()
  else
    setImmediate(() => {
      endDeadline(running, length)
    })
}

/** Deadlines that end at once, if they are those for the answer of a daemon. */
const impatient: StartDeadline = (milliseconds) => {
  const controller = new AbortController()
  if (milliseconds === 5_000)
    setImmediate(() => {
      controller.abort()
    })
  return { signal: controller.signal, stop: () => undefined }
}

/** Runs a command in this process. Returns its output. */
async function run(words: readonly string[], start = impatient) {
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      output[stream] += String(text)
      return true
    })
  const program = createCommand('smart-agent').option('--data-dir <dir>').option('--json')
  const cli = createAgentCli(program, start)
  for (const create of [createStatusCommand, createShowCommand, createWhyCommand, createEventsCommand])
    program.addCommand(create(cli))
  for (const create of [createMachineCommand, createUsageCommand, createAllowsCommand])
    program.addCommand(create(cli))
  program.addCommand(createRegisterCommand('register', cli))
  try {
    const failure = await program
      .parseAsync(['--data-dir', dataDir, ...words], { from: 'user' })
      .then(() => null)
      .catch((error: unknown) => getErrorCode(Promise.reject(error as Error)))
    return { failure, ...output }
  } finally {
    vi.restoreAllMocks()
  }
}

/** Returns a digest and the time of change of each file of the data directory. */
const describeFiles = () =>
  readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => ({ name, stat: statSync(join(dataDir, name)) }))
    .map(({ name, stat }) => [
      name,
      stat.mtimeMs,
      stat.isFile() &&
        createHash('sha256')
          .update(readFileSync(join(dataDir, name)))
          .digest('hex'),
    ])

describe('with a daemon that accepts connections and does not answer', () => {
  it('`status`, `show`, `why`, `events` and `machine` show the last commit, and say so (R-UI-3)', async () => {
    const files = describeFiles()
    const status = await run(['--json', 'status'])
    expect(status.failure).toBeNull()
    expect(JSON.parse(status.stdout)).toMatchObject({
      state: 'evaluation',
      entitlements: [{ tag: 'HOST', count: 3 }],
      hosts: { assigned: 0 },
    })
    expect(JSON.parse(status.stderr)).toEqual({
      warning: {
        code: 'DAEMON_UNREACHABLE',
        message: 'The daemon has not answered for 5 seconds.',
        consequence: expect.stringMatching(
          /^This is the last commit of 20\S+Z, without the time since\.$/,
        ) as unknown,
      },
    })
    for (const [words, pattern] of [
      [['status'], /HOST/],
      [['show', 'usage'], /Count: 3/],
      [['why'], /evaluation/],
      [['events'], /EVAL_START/],
      [['machine', '--format', 'svg'], /<svg/],
    ] as const) {
      const { failure, stdout, stderr } = await run(words)
      expect([words, failure]).toEqual([words, null])
      expect(stdout).toMatch(pattern)
      expect(stderr).toMatch(
        /^warning: The daemon has not answered for 5 seconds\. .* \(DAEMON_UNREACHABLE\)\n$/,
      )
    }
    expect(describeFiles()).toEqual(files)
    expect(new Set(received)).toEqual(new Set(['ping']))
  })

  it('every other command ends with DAEMON_UNREACHABLE, and is never sent', async () => {
    for (const words of [
      ['usage', 'set', 'HOST', '9'],
      ['allows', 'meeting-start'],
      ['events', '--follow'],
      ['register', 'SLT1.x'],
    ])
      expect([words, await run(words)]).toEqual([
        words,
        { failure: 'DAEMON_UNREACHABLE', stdout: '', stderr: '' },
      ])
    expect(new Set(received)).toEqual(new Set(['ping']))
  })
})

describe('with a daemon that answers', () => {
  const pong = (socket: Socket, id: number) => socket.write(`${JSON.stringify({ id, result: null })}\n`)

  it('a command waits for as long as the daemon answers pings', async () => {
    const { start, running } = createDeadlines()
    let pings = 0
    answer = (socket, { id, verb }) => {
      if (verb !== 'ping') return
      pong(socket, id)
      if (++pings === 4) socket.write('{"id":1,"result":{"allowed":true,"reason":null}}\n')
      // The next ping is due after a second.
      else endDeadline(running, 1_000)
    }
    expect(await run(['allows', 'meeting-start'], start)).toEqual({
      failure: null,
      stdout: 'allowed\n',
      stderr: '',
    })
    expect(received.filter((verb) => verb === 'allows')).toHaveLength(1)
    expect(running).toEqual([])
  })

  it('a command ends with DAEMON_UNREACHABLE when the daemon stops answering, and is sent once', async () => {
    const { start, running } = createDeadlines()
    answer = (socket, { id, verb }) => {
      if (received.length === 1) pong(socket, id)
      if (verb === 'usage-set') endDeadline(running, 1_000)
      else if (received.length === 3) endDeadline(running, 5_000)
    }
    expect(await run(['usage', 'set', 'HOST', '9'], start)).toMatchObject({ failure: 'DAEMON_UNREACHABLE' })
    expect(received).toEqual(['ping', 'usage-set', 'ping'])
  })
})
