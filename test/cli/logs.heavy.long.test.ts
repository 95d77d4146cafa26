import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { redact } from '../../src/cli/redact.ts'
import { sendHello } from '../support/hello.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { Agent } from 'node:https'
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

describe('the log of', () => {
  const words = () => ['--data-dir', programs.dataDir('authority'), 'serve', '--listen', '127.0.0.1:0']
  const served = async (...more: string[]) => {
    const server = await programs.serve('smart-authority', [...words(), ...more])
    return { ...server, url: server.line.replace('listening on ', '') }
  }

  it('serve has JSON lines with request ids, and follows the log level', async () => {
    const debug = await served('--log-level', 'debug')
    await sendHello(debug.url, new Agent())
    await debug.stop()
    const lines = debug
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    for (const line of lines)
      expect(line).toMatchObject({
        level: expect.any(String) as unknown,
        message: expect.any(String) as unknown,
        timestamp: expect.any(String) as unknown,
      })
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: 'request',
        route: '/smart-agent/v1/hello',
        status: 200,
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      }),
    )
    const quiet = await served('--log-level', 'error')
    await sendHello(quiet.url, new Agent())
    await quiet.stop()
    expect(quiet.log()).toBe('')
  })

  it('run has a line with outcome and duration for every exchange at the level debug', async () => {
    const server = await served()
    await programs.initDevice(server.url)
    const words = ['--data-dir', programs.dataDir(), 'run', '--log-level', 'debug']
    const daemon = await programs.serve('smart-agent', words)
    await programs.good(programs.agent(['register', await programs.token(), '--json']))
    await server.stop()
    await programs.agent(['renew', 'authorization', '--json'])
    await daemon.stop()
    const lines = daemon.log().trim().split('\n')
    const exchanges = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ message }) => message === 'exchange')
    const milliseconds = expect.any(Number) as unknown
    expect(exchanges).toContainEqual(
      expect.objectContaining({ level: 'debug', type: 'register', outcome: 'answered', milliseconds }),
    )
    expect(exchanges.at(-1)).toMatchObject({ type: 'authorize', outcome: 'CONNECTION_REFUSED', milliseconds })
  })

  it('serve and run has text lines with --log-format text', async () => {
    const server = await served('--log-format', 'text')
    await programs.initDevice(server.url)
    const log = join(programs.directory, 'agent.log')
    const daemon = await programs.serve('smart-agent', [
      '--data-dir',
      programs.dataDir(),
      'run',
      '--log-file',
      log,
      '--log-format',
      'text',
    ])
    const token = await programs.token()
    await programs.good(programs.agent(['register', token, '--json']))
    await daemon.stop()
    await server.stop()
    for (const line of [...server.log().trim().split('\n'), ...readFileSync(log, 'utf8').trim().split('\n')])
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (info|error|warn|debug) +\S/)
    expect(server.log()).toMatch(/ info {2}exchange type=register outcome=accepted .*requestId=[0-9a-f-]{36}/)
    expect(`${server.log()}${readFileSync(log, 'utf8')}`).not.toContain(token.split('.').at(-1))
  })

  it('serve refuses an unknown level or format with a usage error', async () => {
    expect((await programs.run('smart-authority', [...words(), '--log-level', 'loud'])).code).toBe(2)
    expect((await programs.run('smart-authority', [...words(), '--log-format', 'xml'])).code).toBe(2)
  })
})

describe('redact', () => {
  it('hides secrets by field name at any depth, and by pattern in any text', () => {
    const secret = 'hunter2hunter2'
    const key = `-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----`
    const written = JSON.stringify(
      redact({
        message: `sent SLT1.abc.def.${secret} with ${key}`,
        password: secret,
        nested: { proxyPassword: secret, list: [{ clientSecret: secret }], token: secret, code: secret },
        headers: { authorization: secret, cookie: secret, other: `Bearer ${secret}` },
        url: `https://user:${secret}@proxy.example:3128/`,
        webhookSecret: { deep: secret, n: 7 },
      }),
    )
    expect(written).not.toContain(secret)
  })

  it('keeps values that are not secret', () => {
    const line = {
      level: 'info',
      message: 'exchange',
      type: 'register',
      outcome: 'refused',
      code: 'TOKEN_EXPIRED',
      tokenId: 'abc',
      count: 7,
      url: 'https://authority.example:8443/',
      nothing: null,
    }
    expect(redact(line)).toEqual(line)
  })
})
