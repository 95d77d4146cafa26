import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import WebSocket from 'ws'
import type { Status } from '../../src/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { until } from '../support/until.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let programs: Programs
beforeEach(async () => {
  programs = createPrograms()
  await programs.initAuthority()
})
afterEach(async () => {
  await programs.close()
})

describe('the daemon', () => {
  it('answers commands over its socket, reports usage and stops on SIGTERM (R-UI-3)', async () => {
    const { agent, good, status, token, order } = programs
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    const daemon = await programs.daemon()
    expect(daemon.line).toMatch(/running/)
    expect(statSync(join(programs.dataDir(), 'agent.sock')).mode & 0o777).toBe(0o600)

    await order(10)
    expect((await good<Status>(agent(['register', await token(), '--json']))).state).toBe('authorized')
    await good(agent(['usage', 'set', 'HOST', '4', '--json']))
    // The renewal reports the changed count. Otherwise, the agent would report it within a minute.
    await good(agent(['renew', 'authorization', '--json']))
    expect(await good(programs.authority(['license', 'list', '--json']))).toMatchObject({
      licenses: [{ tag: 'HOST', inUse: 4 }],
    })
    expect(await daemon.stop()).toBe(0)
    expect(existsSync(join(programs.dataDir(), 'agent.sock'))).toBe(false)
    expect((await status()).state).toBe('authorized')
  })

  it('refuses a second daemon on the same data directory (R-UI-3)', async () => {
    await programs.initDevice('https://localhost:1')
    await programs.daemon()
    const second = await programs.agent(['run', '--json'])
    expect([second.code, parseError(second).code]).toEqual([1, 'DAEMON_RUNNING'])
    expect((await programs.status()).state).toBe('evaluation')
  })

  it('starts after a SIGKILL in spite of the stale socket', async () => {
    await programs.initDevice('https://localhost:1')
    const first = await programs.daemon()
    await first.stop('SIGKILL')
    expect((await programs.status()).state).toBe('evaluation')
    await programs.daemon()
    expect((await programs.status()).state).toBe('evaluation')
  })

  it('streams new events to `events --follow` and `watch` (R-UI-3)', async () => {
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    await programs.daemon()
    const events = programs.follow(['events', '--follow', '--json'])
    const watch = programs.follow(['watch'])
    await watch.saying(/evaluation/)
    await events.saying(/AGENT_READY/)
    await programs.good(programs.agent(['register', await programs.token(), '--json']))
    await events.saying(/AGENT_REG_SUCCESS/)
    await watch.saying(/authorized/)
  })

  it('shows active states and the last transition in `watch` (R-UI-4)', async () => {
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    await programs.daemon()
    const watch = programs.follow(['watch'])
    await watch.saying(/^ {2}● evaluation/m)
    await programs.good(programs.agent(['register', await programs.token(), '--json']))
    await watch.saying(/^ {2}● authorized[^]*^ {4}● current/m)
    await watch.saying(/^last transition: \d{4}-\d\d-\d\dT[\d:.]+Z {2}authorize\.accepted: license /m)
  })

  it('serves the inspector of `run --inspect` and prints its URL (R-UI-4)', async () => {
    await programs.initDevice('https://localhost:1')
    const run = ['--data-dir', programs.dataDir(), 'run', '--json', '--inspect']
    const elsewhere = await programs.run('smart-agent', [...run, '0.0.0.0:0'])
    expect([elsewhere.code, parseError(elsewhere).code]).toEqual([2, 'INVALID_ARGUMENT'])
    const daemon = programs.start('smart-agent', [...run, '127.0.0.1:0'])
    let said = ''
    daemon.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until(
      () => new Promise((resolve) => setImmediate(resolve)),
      () => said.endsWith('}\n'),
    )
    const { inspector } = JSON.parse(said) as { inspector: string }
    const client = new WebSocket(inspector)
    const [first] = (await once(client, 'message')) as [Buffer]
    expect(JSON.parse(first.toString())).toMatchObject({ type: '@xstate.actor', name: 'smart-agent' })
    await programs.initDevice('https://localhost:1', 'other')
    const taken = await programs.run('smart-agent', [
      '--data-dir',
      programs.dataDir('other'),
      'run',
      '--json',
      '--inspect',
      inspector.replace('ws://', ''),
    ])
    expect([taken.code, parseError(taken).code]).toEqual([1, 'ADDRESS_IN_USE'])
    const closed = once(client, 'close')
    daemon.kill('SIGTERM')
    await closed
  })

  it('answers malformed requests with an error and keeps running', async () => {
    await programs.initDevice('https://localhost:1')
    await programs.daemon()
    const socket = connect(join(programs.dataDir(), 'agent.sock'))
    socket.setEncoding('utf8')
    const lines: string[] = []
    let rest = ''
    socket.on('data', (text: string) => {
      rest += text
      lines.push(...rest.split('\n').slice(0, -1))
      rest = rest.split('\n').at(-1) ?? ''
    })
    for (const line of [
      'nonsense',
      '[]',
      '{"id":7,"verb":"explode"}',
      '{"id":8,"verb":"usage-set","params":{"tag":1}}',
    ])
      socket.write(`${line}\n`)
    socket.write('{"id":9,"verb":"status"}\n')
    await until(
      () => new Promise((resolve) => setImmediate(resolve)),
      () => lines.length === 5,
    )
    const answers = lines.map((line) => JSON.parse(line) as { id: unknown; error?: { code: string } })
    expect(answers.map(({ error }) => error?.code)).toEqual([
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'USAGE',
      'INVALID_ARGUMENT',
      undefined,
    ])
    expect(answers.map(({ id }) => id)).toEqual([null, null, 7, 8, 9])
    socket.destroy()
    const flood = connect(join(programs.dataDir(), 'agent.sock'))
    flood.on('error', () => undefined)
    flood.write('x'.repeat(2 * 1024 * 1024))
    await new Promise((resolve) => flood.once('close', resolve))
    expect((await programs.status()).state).toBe('evaluation')
  })

  it('logs notices as JSON lines without secrets to a private file', async () => {
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    const log = join(programs.directory, 'agent.log')
    const daemon = await programs.serve('smart-agent', [
      '--data-dir',
      programs.dataDir(),
      'run',
      '--log-file',
      log,
    ])
    const token = await programs.token()
    await programs.good(programs.agent(['register', token, '--json']))
    await daemon.stop()
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    const events = lines.map((line) => (JSON.parse(line) as { event?: string }).event)
    expect(events).toContain('AGENT_REG_SUCCESS')
    expect(lines.join()).not.toContain(token.split('.').at(-1))
    expect(statSync(log).mode & 0o077).toBe(0)
  })
})
