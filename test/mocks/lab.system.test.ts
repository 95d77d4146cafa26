import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { delimiter, dirname, join, resolve } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LabInfo } from '../../mocks/lab/lab.ts'
import type { Status } from '../../src/index.ts'
import { expectAccessible, openBrowser } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { createPrograms, parseError } from '../support/programs.ts'

const root = resolve(import.meta.dirname, '../..')
const FREE_PORTS = ['port', 'gateway-port', 'proxy-port', 'locked-proxy-port', 'api-port'].flatMap((name) => [
  `--${name}`,
  '0',
])

const programs = createPrograms()
afterAll(() => programs.close())

const readText = (path: string): string => readFileSync(path, 'utf8')

async function startLab(...words: string[]) {
  const server = await programs.serve('smart-licensing-lab', [...FREE_PORTS, ...words, '--json'])
  return { ...server, info: JSON.parse(server.line) as LabInfo }
}

/** Answer of the fault API. */
interface LabAnswer {
  readonly status: number
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test says what it expects
  readonly json: any
}

/** Lab of all tests that do not end it. */
let info: LabInfo
let stop: () => Promise<number | null>
beforeAll(async () => {
  ;({ info, stop } = await startLab('--license', 'HOST=5', '--name', 'localhost', '--name', 'lab.example'))
})

// Killed by programs.close(), the lab would leave its files.
afterAll(() => stop())

async function call(
  method: string,
  path: string,
  body?: unknown,
  authorization = `Bearer ${readText(info.bearerFile)}`,
): Promise<LabAnswer> {
  const answer = await fetch(`${info.api}${path}`, {
    method,
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, text, json: text.startsWith('<') ? null : JSON.parse(text) }
}

/** Sends an empty request to the license server. Resolves to the status. */
const sendEmpty = (type: string): Promise<number | undefined> =>
  new Promise((done, reject) => {
    const options = { method: 'POST', ca: readText(info.trustFile), agent: false }
    request(`${info.url}/smart-agent/v1/${type}`, options, (response) => {
      response.resume()
      done(response.statusCode)
    })
      .once('error', reject)
      .end('{}')
  })
const setFaults = (...faults: unknown[]) => call('PUT', '/chaos', { faults })
afterEach(async () => {
  expect(await call('DELETE', '/chaos')).toMatchObject({ status: 200, json: { faults: [] } })
})

describe.concurrent('the examples of the lab (R-LAB-6)', () => {
  const program = join(root, 'dist/bin/smart-licensing-lab.js')
  const runExample = (command: string, name: string): Promise<{ error: unknown; output: string }> =>
    new Promise((done) => {
      const env = { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) }
      execFile(command, [join(root, 'examples/lab', name), program], { env }, (error, stdout, stderr) => {
        done({ error, output: stdout + stderr })
      })
    })

  it('lab.sh shows the locked proxy and a fault', async ({ expect }) => {
    const { error, output } = await runExample('bash', 'lab.sh')
    expect(output.replace(/localhost:\d+/g, 'HOST').split('\n')).toEqual([
      '== the right password: the request comes to the license server, which refuses an empty one',
      'license server 400, proxy 200 ',
      '== a wrong password: the proxy refuses the tunnel',
      'license server 000, proxy 407 CONNECT tunnel failed, response 407',
      '== the fault tls-expired: the certificate of the license server has expired',
      '{"faults":["tls-expired"]}',
      'license server 000, proxy 200 SSL certificate problem: certificate has expired',
      '== no fault',
      '{"faults":[]}',
      'license server 400, proxy 200 ',
      '== what came to the proxies and to the license server',
      expect.stringMatching(/^\{"tunnels":\[.*"username":"device","status":407/),
      expect.stringMatching(/^\{"requests":\[\{[^{}]*"register"[^{}]*\},\{[^{}]*"register"[^{}]*\}\]\}$/),
      '',
    ])
    expect(error).toBeNull()
  })

  it('lab.py asserts the messages of a product under each fault, on each route', async ({ expect }) => {
    // The interpreter of Debian, whose package brings requests.
    const { error, output } = await runExample('/usr/bin/python3', 'lab.py')
    expect([error, output]).toEqual([null, expect.stringMatching(/Every failure was reported rightly\.\n$/)])
  })
})

describe('smart-agent through the lab', () => {
  it('registers through the locked proxy, reports faults by their codes, and recovers (R-LAB-4, R-LAB-6)', async () => {
    const { agent, good } = programs
    await good(agent(['init', '--pid', 'CWMS-K9', '--serial', 'LAB1', '--trust', info.trustFile, '--json']))
    const proxy = ['--via', info.lockedProxy, '--username', info.proxyUsername]
    const password = ['--password-file', info.proxyPasswordFile]
    await good(agent(['transport', 'proxy', info.url, ...proxy, ...password, '--json']))
    const registered = await good<Status>(agent(['register', '--token-file', info.tokenFile, '--json']))
    expect(registered.state).toBe('authorized')

    for (const [fault, code] of [
      ['proxy-auth-refused', 'PROXY_AUTHENTICATION_REFUSED'],
      ['tls-inspected', 'TLS_INSPECTED'],
      ['error503', 'AUTHORITY_UNAVAILABLE'],
    ]) {
      await setFaults(fault)
      const failed = await agent(['renew', 'authorization', '--json'])
      expect([failed.code, parseError(failed).code]).toEqual([1, code])
    }
    await call('DELETE', '/chaos')
    const recovered = await good<Status>(agent(['renew', 'authorization', '--json']))
    expect(recovered.transport).toMatchObject({ link: 'up', lastFailure: null })

    const requests = await call('GET', '/requests')
    expect(requests.json.requests.slice(-2)).toEqual([
      { at: expect.any(String), type: 'authorize', fault: 'error503', status: 503 },
      { at: expect.any(String), type: 'authorize', fault: null, status: 200 },
    ])
    const tunnels = await call('GET', '/tunnels')
    expect(tunnels.json.tunnels[0]).toMatchObject({ username: info.proxyUsername, status: 200 })
    for (const { text } of [requests, tunnels])
      for (const secret of ['SLT1', 'payload', 'authorization', readText(info.proxyPasswordFile)])
        expect(text.replaceAll('"authorize"', '')).not.toContain(secret)
  })
})

describe('the fault API of the lab (R-LAB-6)', () => {
  it('requires its bearer token', async () => {
    for (const authorization of ['', 'Bearer ', `Bearer ${'x'.repeat(32)}`, readText(info.bearerFile)])
      expect(await call('GET', '/chaos', undefined, authorization)).toMatchObject({
        status: 401,
        json: { error: { code: 'FAULT_API_UNAUTHORIZED', remedy: expect.stringContaining('Bearer …') } },
      })
  })

  it('lists the faults with their meaning, and plans them', async () => {
    const { json } = await call('GET', '/faults')
    expect(json).toContainEqual({
      name: 'tls-expired',
      place: 'connection',
      meaning: 'the certificate has expired, or the clock of the device is ahead',
      code: 'TLS_EXPIRED',
      decides: false,
    })
    const planned = [{ fault: 'error500', on: 'register', times: 1 }, 'reset']
    expect(await setFaults(...planned)).toMatchObject({ status: 200, json: { faults: planned } })
    expect((await call('GET', '/chaos')).json).toEqual({ faults: planned })
  })

  it('refuses plans that cannot occur, says why, and keeps the present plan', async () => {
    await setFaults('error503')
    for (const [faults, reason] of [
      [['nope'], /^The request is not valid: .*faults\/0.*The names are delay, .*proxy-closed\.$/],
      [['reset', 'refused'], /: reset and refused cannot occur together\.$/],
      [
        [{ fault: 'refused', times: 1 }],
        /: refused has no connections to count: leave out times and after\.$/,
      ],
      [['delay'], /delay has no duration\.$/],
      [[{ fault: 'reset', probability: 0.5 }], /fault of the network, which takes no "probability"\.$/],
      [[{ fault: 'empty', daily: ['01:00', '02:00'] }], /fault of answers, which takes no "daily"\.$/],
    ] as const) {
      const { status, json } = await setFaults(...faults)
      expect([status, json.error.code]).toEqual([400, 'CHAOS_INVALID'])
      expect(json.error.message).toMatch(reason)
      expect(json.error.remedy).toContain('GET /faults')
    }
    expect((await call('GET', '/chaos')).json).toEqual({ faults: ['error503'] })
    expect((await call('GET', '/nope')).json.error.message).toBe('The fault API has no call GET /nope.')
  })

  it('sets the conditions of the line', async () => {
    const ask = async () => {
      const started = performance.now()
      expect(await sendEmpty('register')).toBe(400)
      return performance.now() - started
    }
    const conditions = { latency: 150 }
    expect(await call('PUT', '/conditions', conditions)).toMatchObject({ status: 200, json: conditions })
    expect((await call('GET', '/conditions')).json).toEqual(conditions)
    // The TLS handshake and the request take two round trips, each with two delays.
    expect(await ask()).toBeGreaterThan(600)
    expect(await call('PUT', '/conditions', { loss: 2 })).toMatchObject({ status: 400 })
    expect(await call('PUT', '/conditions', {})).toMatchObject({ status: 200, json: {} })
  })

  it('creates registration tokens', async () => {
    const [first, second] = [await call('POST', '/tokens'), await call('POST', '/tokens')]
    expect(first.json.token).toMatch(/^SLT1\./)
    expect(second.json.token).not.toBe(first.json.token)
  })

  it('has an OpenAPI document that passes the Redocly linter', async () => {
    const { text, json } = await call('GET', '/openapi.json', undefined, '')
    expect(Object.keys(json.paths)).toEqual([
      '/faults',
      '/chaos',
      '/conditions',
      '/requests',
      '/tunnels',
      '/tokens',
    ])
    const file = join(programs.directory, 'openapi.json')
    writeFileSync(file, text)
    const { status, stdout, stderr } = spawnSync(
      join(root, 'node_modules/.bin/redocly'),
      ['lint', '--extends=recommended', file],
      {
        encoding: 'utf8',
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
      },
    )
    expect([status, stdout + (status === 0 ? '' : stderr)]).toEqual([0, ''])
  })
})

describe('the certificates of the lab', () => {
  const readNames = (): Promise<string> =>
    new Promise((done, reject) => {
      const socket = connect({ port: Number(new URL(info.url).port), rejectUnauthorized: false }, () => {
        done(socket.getPeerCertificate().subjectaltname ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
    })

  it('contain the further host names, except under tls-name-mismatch (R-LAB-4)', async () => {
    expect(await readNames()).toContain('DNS:lab.example')
    for (const fault of ['tls-inspected', 'tls-expired', 'tls-untrusted']) {
      await setFaults(fault)
      expect([fault, await readNames()]).toEqual([fault, expect.stringContaining('DNS:lab.example')])
    }
    await setFaults('tls-name-mismatch')
    const wrong = await readNames()
    expect(wrong).toContain('DNS:elsewhere.example')
    expect(wrong).not.toMatch(/localhost|lab\.example/)
  })
})

describe('the program smart-licensing-lab', () => {
  it('ends with 1 and names the option for a port in use', async () => {
    const expectRefused = async (option: string, url: string) => {
      const { port } = new URL(url)
      const ended = await programs.run('smart-licensing-lab', [...FREE_PORTS, option, port, '--json'])
      expect(ended).toMatchObject({ code: 1, stdout: '' })
      expect(parseError(ended)).toEqual({
        code: 'ADDRESS_IN_USE',
        message: `Cannot listen on 127.0.0.1:${port} (EADDRINUSE).`,
        remedy: `Choose another port with ${option}, or 0 for a free one.`,
      })
    }
    await Promise.all([
      expectRefused('--locked-proxy-port', info.lockedProxy),
      expectRefused('--api-port', info.api),
    ])
  })

  it('ends with 2 for wrong arguments', async () => {
    const wrong = [['--port', '65536'], ['--api-port', 'x'], ['--license', 'HOST'], ['--nope'], ['more']]
    const ended = await Promise.all(wrong.map((words) => programs.run('smart-licensing-lab', words)))
    expect(ended.map(({ code, stderr }) => [code, stderr.split('\n').length])).toEqual(
      wrong.map(() => [2, 2]),
    )
    expect(ended[0]?.stderr).toContain('"65536" is not a port from 0 to 65535.')
  })

  it('keeps its secrets in private files, and removes all files at SIGTERM', async () => {
    const { info: own, child, stop, log } = await startLab()
    const directory = dirname(own.bearerFile)
    const getMode = (path: string) => (statSync(path).mode & 0o777).toString(8)
    expect(getMode(directory)).toBe('700')
    const files = [own.bearerFile, own.tokenFile, own.trustFile, own.middleboxCaFile, own.proxyPasswordFile]
    expect(readdirSync(directory)).toHaveLength(files.length)
    for (const file of files) expect([file, getMode(file)]).toEqual([file, '600'])
    // PEM files can be concatenated.
    for (const file of [own.trustFile, own.middleboxCaFile])
      expect(readText(file)).toMatch(/^-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n$/)
    const descriptors = `/proc/${child.pid ?? 0}/fd`
    const databases = readdirSync(descriptors).flatMap((name) => {
      const path = readlinkSync(join(descriptors, name))
      return path.includes('smart-licensing-') ? [path] : []
    })
    expect(databases.length).toBeGreaterThan(0)

    expect([await stop(), log()]).toEqual([0, ''])
    expect([directory, ...databases.map(dirname)].filter((path) => existsSync(path))).toEqual([])
  })
})

describe('the page of the lab (R-LAB-6)', () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser.close())

  it('says that the bearer token is missing, and accepts one in its URL', async () => {
    const { page, complaints } = await browser.open(info.api)
    await page.getByRole('status').getByText('The fault API requires its bearer token.').waitFor()
    await page.goto(info.page)
    await page.getByRole('button', { name: 'tls-expired' }).waitFor()
    expect(complaints).toEqual([])
  })

  it('switches faults, and shows the requests that came', async () => {
    const { page, complaints } = await browser.open(info.api)
    await page.goto(info.page)
    const getFault = (name: string) => page.locator(`button[data-name="${name}"]`)
    const expectPressed = async (name: string, isPressed: boolean) => {
      await eventually(async () => {
        expect(await getFault(name).getAttribute('aria-pressed')).toBe(String(isPressed))
      })
    }
    await getFault('error503').click()
    await getFault('reset').click()
    await expectPressed('error503', true)
    await expectPressed('reset', true)
    await page.getByRole('status').getByText('On: error503, reset').waitFor()
    // Two faults of the network cannot occur together.
    await getFault('tls-silence').click()
    await expectPressed('tls-silence', true)
    await expectPressed('reset', false)
    expect((await call('GET', '/chaos')).json).toEqual({ faults: ['error503', 'tls-silence'] })
    await getFault('tls-silence').click()
    await expectPressed('tls-silence', false)

    expect(await sendEmpty('renew')).toBe(503)
    await page.getByRole('row', { name: /\d\d:\d\d:\d\d renew error503 503/ }).waitFor()

    await page.getByRole('button', { name: 'Switch all faults off' }).click()
    await expectPressed('error503', false)
    expect((await call('GET', '/chaos')).json).toEqual({ faults: [] })
    // A fault that another program switches appears, too.
    await setFaults('proxy-forbidden')
    await expectPressed('proxy-forbidden', true)
    expect(complaints).toEqual([])
  })

  it('is accessible in both color schemes, and fits narrow windows', async () => {
    await setFaults('error503')
    const { page, complaints } = await browser.open(info.api)
    await page.goto(info.page)
    await page.locator('button[aria-pressed=true]').waitFor()
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 800 })
      await expectAccessible(page, `lab, ${colorScheme}, ${width}`)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    }
    expect(complaints).toEqual([])
  })
})
