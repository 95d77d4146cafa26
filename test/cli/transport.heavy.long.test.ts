import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import type { ConnectionTestReport } from '../../src/agent/connection-test.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

/** Built programs, with an authority that allows fault injection. */
let programs: Programs
let url: string
let faultApi: { url: string; bearer: string }

beforeAll(async () => {
  programs = createPrograms()
  await programs.good(
    programs.authority([
      'init',
      '--account',
      'acme.example',
      '--accept-agreement',
      '--allow-fault-injection',
      '--json',
    ]),
  )
  const server = await programs.serve('smart-authority', [
    '--data-dir',
    programs.dataDir('authority'),
    '--json',
    'serve',
    '--listen',
    'localhost:0',
    '--fault-api',
    '127.0.0.1:0',
  ])
  const info = JSON.parse(server.line) as { listening: string; faultApi: string; bearerFile: string }
  url = info.listening
  faultApi = { url: info.faultApi, bearer: readFileSync(info.bearerFile, 'utf8') }
  expect(statSync(info.bearerFile).mode & 0o777).toBe(0o600)
})
afterAll(async () => {
  await programs.close()
})

let devices = 0
const newDevice = async (): Promise<string> => {
  const name = `device-${++devices}`
  await programs.initDevice(url, name)
  return name
}

/** Starts a proxy that opens tunnels for clients with the expected credentials. */
async function proxy(expected: string | null) {
  const seen: string[] = []
  const server = createServer((_, response) => response.writeHead(405).end())
  server.on('connect', (request, socket: Socket) => {
    const given = request.headers['proxy-authorization'] ?? ''
    const credentials = Buffer.from(given.replace('Basic ', ''), 'base64').toString('utf8')
    seen.push(credentials)
    socket.on('error', () => undefined)
    if (expected !== null && credentials !== expected) {
      socket.end('HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n')
      return
    }
    const [host, port] = (request.url ?? '').split(':')
    const onward = connect(Number(port), host ?? '')
    onward.on('error', () => socket.destroy())
    onward.once('connect', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const port = (server.address() as AddressInfo).port
  return { via: `http://127.0.0.1:${port}`, port, seen, close: () => server.close() }
}

describe('smart-agent transport (R-NET-3, R-NET-4)', () => {
  it('proxy reads the password from a file and never prints it', async () => {
    const device = await newDevice()
    const password = 'canary p:w@% ü'
    const asking = await proxy(`bob:${password}`)
    const file = join(programs.directory, 'password')
    writeFileSync(file, `${password}\n`)
    chmodSync(file, 0o600)
    const words = ['transport', 'proxy', url, '--via', asking.via, '--username', 'bob']
    const saved = await programs.agent([...words, '--password-file', file, '--json'], { device })
    expect(JSON.parse(saved.stdout)).toMatchObject({ kind: 'proxy', via: asking.via, username: 'bob' })
    const status = await programs.good<Status>(
      programs.agent(['register', await programs.token(), '--json'], { device }),
    )
    expect(status.state).toBe('authorized')
    expect(asking.seen.at(-1)).toBe(`bob:${password}`)
    for (const say of [['transport', 'show'], ['status'], ['show', 'tech'], ['events'], ['why']]) {
      const { stdout, stderr } = await programs.agent([...say], { device })
      expect(stdout + stderr + saved.stdout).not.toContain('canary')
    }
    // The password can also come from standard input.
    await programs.good(
      programs.agent([...words, '--password-file', '-', '--json'], { device, input: 'wrong\n' }),
    )
    const refused = await programs.agent(['renew', 'authorization', '--json'], { device })
    expect(parseError(refused).code).toBe('PROXY_AUTHENTICATION_REFUSED')
    asking.close()
  })

  it('proxy --from-environment stores the settings, while the environment alone has no effect', async () => {
    const device = await newDevice()
    const open = await proxy('user@x:p:w')
    const env = { HTTPS_PROXY: `http://user%40x:p%3Aw@127.0.0.1:${open.port}`, NO_PROXY: '*' }
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device, env }))
    expect(open.seen).toEqual([])
    const { code, stdout } = await programs.agent(['transport', 'proxy', url, '--from-environment'], {
      device,
      env,
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(/via http:\/\/127\.0\.0\.1:\d+ as user@x, read from HTTPS_PROXY once/)
    expect(stdout).not.toContain('p:w')
    await programs.good(programs.agent(['renew', 'authorization', '--json'], { device }))
    expect(open.seen).toEqual(['user@x:p:w'])
    const none = await programs.agent(['transport', 'proxy', url, '--from-environment', '--json'], { device })
    expect(parseError(none).code).toBe('PROXY_URL_INVALID')
    open.close()
  })

  it('test checks the connection step by step up to the failure', async () => {
    const device = await newDevice()
    const good = await programs.agent(['transport', 'test'], { device })
    expect([good.code, good.stderr]).toEqual([0, ''])
    expect(good.stdout).toMatch(
      /^name +ok[\s\S]*^tls +ok[\s\S]*^signature +ok[\s\S]*The connectivity check passed/m,
    )

    const asking = await proxy('bob:secret')
    await programs.good(
      programs.agent(['transport', 'proxy', url, '--via', asking.via, '--json'], { device }),
    )
    const broken = await programs.agent(['transport', 'test', '--json'], { device })
    const report = JSON.parse(broken.stdout) as ConnectionTestReport
    expect([broken.code, parseError(broken).code]).toEqual([1, 'PROXY_AUTHENTICATION_REQUIRED'])
    expect(report.steps.map(({ step, outcome }) => [step, outcome])).toEqual([
      ['name', 'ok'],
      ['connect', 'ok'],
      ['proxy', 'failed'],
      ['tls', 'not-tried'],
      ['authority', 'not-tried'],
      ['signature', 'not-tried'],
    ])
    expect(report.failure?.code).toBe('PROXY_AUTHENTICATION_REQUIRED')
    asking.close()
    // A failed test is not an outage, because no request was pending.
    expect((await programs.status({ device })).transport.link).toBe('unknown')
  })

  it('test reports a wrong root certificate', async () => {
    const other = createPrograms()
    await other.initAuthority()
    const foreign = await other.serveAuthority()
    const device = await newDevice()
    await programs.good(programs.agent(['transport', 'direct', foreign.url, '--json'], { device }))
    const { code, stdout } = await programs.agent(['transport', 'test'], { device })
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /^tls +BROKEN +The certificate of .*, issued by "Smart Licensing.*", is not trusted by this device/m,
    )
    await other.close()
  })
})

describe('an authority with fault injection (R-UI-5)', () => {
  const manage = async (method: string, path: string, body?: unknown, bearer = faultApi.bearer) => {
    const response = await fetch(`${faultApi.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  it('plans faults and lists requests by its fault API at run time', async () => {
    const device = await newDevice()
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device }))
    expect((await programs.status({ device })).authority?.test).toBe(true)
    await manage('DELETE', '/requests')
    const planned = { faults: [{ fault: 'error503', on: 'authorize', times: 1 }, 'dripping'] }
    expect((await manage('PUT', '/chaos', planned)).status).toBe(200)
    const failed = await programs.agent(['renew', 'authorization', '--json'], { device })
    expect(parseError(failed).code).toBe('AUTHORITY_UNAVAILABLE')
    await manage('DELETE', '/chaos')
    await programs.good(programs.agent(['renew', 'authorization', '--json'], { device }))
    const { requests } = (await manage('GET', '/requests')).body
    expect(requests).toMatchObject([
      { type: 'authorize', path: '/smart-agent/v1/authorize', fault: 'error503', status: 503 },
      { type: 'authorize', fault: null, status: 200 },
    ])
    expect(Object.keys((requests as object[])[0] ?? {}).sort()).toEqual([
      'at',
      'fault',
      'number',
      'path',
      'status',
      'type',
    ])
  })

  it('has its faults found by transport test (R-NET-4)', async () => {
    const device = await newDevice()
    for (const [fault, step, code] of [
      ['error503', 'authority', 'AUTHORITY_UNAVAILABLE'],
      ['captive-portal', 'authority', 'ANSWER_NOT_JSON'],
      ['tampered-payload', 'signature', 'ANSWER_SIGNATURE_INVALID'],
      ['forged', 'signature', 'ANSWER_SIGNER_UNTRUSTED'],
    ] as const) {
      await manage('PUT', '/chaos', { faults: [{ fault, on: 'hello' }] })
      const { stdout } = await programs.agent(['transport', 'test', '--json'], { device })
      const { steps } = JSON.parse(stdout) as ConnectionTestReport
      const broken = steps.find(({ outcome }) => outcome === 'failed')
      expect([broken?.step, broken?.failure?.code]).toEqual([step, code])
    }
    await manage('DELETE', '/chaos')
  })

  it('refuses fault API calls without its bearer token, and invalid plans', async () => {
    expect((await manage('GET', '/requests', undefined, 'x')).status).toBe(401)
    expect((await manage('PUT', '/chaos', { faults: [] }, '')).status).toBe(401)
    for (const body of [
      { faults: ['nonsense'] },
      { faults: ['refused'] },
      { faults: [{ fault: 'error503', times: -1 }] },
      {},
    ]) {
      const { status, body: answer } = await manage('PUT', '/chaos', body)
      expect([status, (answer.error as { code: string }).code]).toEqual([400, 'CHAOS_INVALID'])
    }
    expect((await manage('GET', '/chaos')).body).toEqual({ faults: [] })
  })

  it('injects faults by serve --chaos with a warning, and only if created for tests', async () => {
    const other = createPrograms()
    await other.initAuthority()
    const serve = (chaos: string[]) =>
      other.authority(['serve', '--listen', 'localhost:0', ...chaos, '--json'])
    expect(parseError(await serve(['--chaos', 'error503'])).code).toBe('CHAOS_NOT_ALLOWED')
    expect(parseError(await serve(['--fault-api', '127.0.0.1:0'])).code).toBe('CHAOS_NOT_ALLOWED')
    expect(parseError(await serve(['--chaos', 'nonsense'])).code).toBe('CHAOS_INVALID')
    expect(parseError(await serve(['--chaos', 'refused'])).code).toBe('CHAOS_INVALID')
    await other.close()

    const faulty = createPrograms()
    await faulty.good(
      faulty.authority([
        'init',
        '--account',
        'acme.example',
        '--accept-agreement',
        '--allow-fault-injection',
        '--json',
      ]),
    )
    const words = ['serve', '--listen', 'localhost:0', '--chaos', 'delay=20ms,error500=1x1/register']
    const server = await faulty.serve('smart-authority', [
      '--data-dir',
      faulty.dataDir('authority'),
      ...words,
    ])
    await faulty.initDevice(server.line.replace('listening on ', ''))
    const failed = await faulty.agent(['register', await faulty.token(), '--json'])
    expect(parseError(failed).code).toBe('AUTHORITY_FAILED')
    await server.stop()
    expect(server.log()).toMatch(/FAULT INJECTION IS ENABLED/)
    await faulty.close()
  })
})
