import { readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { CLOUD_V1_PREFIX, runCommand as run, sendRaw } from '../support/rest.ts'

interface Serving {
  listening: string
  connectProxy: string
  connectCa: string
}

let programs: Programs
let serving: Serving
let client: { clientId: string; clientSecret: string }
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority('--allow-fault-injection')
  client = await programs.good(
    programs.authority(['api-client', 'create', '--json', '--description', 'a test']),
  )
  const { line } = await programs.serve('smart-authority', [
    ...['--data-dir', join(programs.directory, 'authority'), '--json', 'serve', '--listen', '127.0.0.1:0'],
    ...['--connect-proxy', '127.0.0.1:0'],
  ])
  serving = JSON.parse(line) as Serving
})
afterAll(() => programs.close())

const to = () => ({ port: Number(new URL(serving.listening).port) })
const grant = () => ({
  grant_type: 'client_credentials',
  client_id: client.clientId,
  client_secret: client.clientSecret,
})

describe('the command api-client', () => {
  it('creates clients, lists them without secrets, and revokes them, effective at once', async () => {
    const { good, authority } = programs
    expect(client).toEqual(
      expect.objectContaining({
        clientId: expect.stringMatching(/^[0-9a-f]{32}$/),
        clientSecret: expect.stringMatching(/^[0-9a-f]{64}$/),
        scope: 'write',
        virtualAccount: null,
      }),
    )
    const second = await good<typeof client>(
      authority(['api-client', 'create', '--virtual-account', 'Default', '--scope', 'read', '--json']),
    )
    const { json } = await sendRaw(to(), '/oauth/token', {
      form: {
        grant_type: 'client_credentials',
        client_id: second.clientId,
        client_secret: second.clientSecret,
      },
    })
    const ask = () => sendRaw(to(), `${CLOUD_V1_PREFIX}/v2/accounts`, { token: json.access_token })
    expect((await ask()).json.accounts[0].roles).toEqual([
      { role: 'Virtual Account Viewer', virtualAccount: 'Default' },
    ])
    const listed = await authority(['api-client', 'list', '--json'])
    expect(JSON.parse(listed.stdout)).toMatchObject({
      apiClients: [{ clientId: client.clientId }, { clientId: second.clientId, scope: 'read' }],
    })
    expect(listed.stdout).not.toContain(second.clientSecret)
    expect((await authority(['api-client', 'list'])).stdout).toContain(second.clientId)
    expect((await authority(['api-client', 'revoke', second.clientId])).code).toBe(0)
    expect((await ask()).status).toBe(401)
    const unknown = await authority(['api-client', 'revoke', 'unknown', '--json'])
    expect([unknown.code, parseError(unknown).code]).toEqual([1, 'NOT_FOUND'])
    const scope = await authority(['api-client', 'create', '--scope', 'all', '--json'])
    expect([scope.code, parseError(scope)]).toMatchObject([
      2,
      { code: 'USAGE', message: expect.stringContaining('read, write') },
    ])
  })
})

describe('the CONNECT proxy', () => {
  const curl = (...words: string[]) =>
    run('curl', ['-sS', '--max-time', '20', '--proxy', serving.connectProxy, ...words])
  const trusting = () => ['--cacert', serving.connectCa]

  it('redirects curl from Cisco’s hosts to the authority', async () => {
    const form = Object.entries(grant()).flatMap(([name, value]) => ['-d', `${name}=${value}`])
    const given = await curl(...trusting(), 'https://cloudsso.cisco.com/as/token.oauth2', ...form)
    const { access_token: token } = JSON.parse(given.stdout) as { access_token: string }
    for (const host of ['swapi.cisco.com', 'apx.cisco.com', 'apmx.cisco.com']) {
      const { stdout } = await curl(
        ...trusting(),
        ...['-H', `authorization: Bearer ${token}`],
        `https://${host}${CLOUD_V1_PREFIX}/v2/accounts`,
      )
      expect(JSON.parse(stdout)).toMatchObject({ status: 'SUCCESS' })
    }
  })

  it('redirects Python with its usual proxy and CA settings', async () => {
    const script = `
import json, os, ssl, sys, urllib.parse, urllib.request
def ask(url, body, headers={}):
    request = urllib.request.Request(url, urllib.parse.urlencode(body).encode() if headers == {} else json.dumps(body).encode(), headers)
    return json.load(opener.open(request, timeout=20))
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"https": os.environ["HTTPS_PROXY"]}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])))
token = ask("https://id.cisco.com/oauth2/default/v1/token", json.loads(sys.stdin.read()))["access_token"]
answer = ask("https://apx.cisco.com${CLOUD_V1_PREFIX}/v1/accounts/acme.example/licenses", {"limit": -1},
    {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
print(answer["status"])`
    const { stdout, stderr } = await run('python3', ['-c', script], {
      input: JSON.stringify(grant()),
      env: { PATH: process.env.PATH, HTTPS_PROXY: serving.connectProxy, SSL_CERT_FILE: serving.connectCa },
    })
    expect([stdout.trim(), stderr]).toEqual(['SUCCESS', ''])
  })

  it('refuses other hosts, ports and methods', async () => {
    for (const url of ['https://example.com/', 'https://swapi.cisco.com:8443/', 'https://127.0.0.1/']) {
      const { code, stderr } = await curl(...trusting(), url)
      expect([code, stderr.includes('403')]).toEqual([56, true])
    }
    const absolute = await curl('-o', '/dev/null', '-w', '%{http_code}', 'http://swapi.cisco.com/')
    expect(absolute.stdout).toBe('403')
    const page = await curl(...trusting(), 'https://swapi.cisco.com/api/v1/me')
    expect(page.stdout).toContain('HOST_REFUSED')
  })

  it('uses its own CA, which only clients that install it trust', async () => {
    const { code } = await curl('https://swapi.cisco.com/')
    expect(code).toBe(60)
    expect(statSync(serving.connectCa).mode & 0o777).toBe(0o600)
    expect(readFileSync(serving.connectCa, 'utf8')).toMatch(
      /^-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s*$/,
    )
    const byRoot = await programs.authority(['trust', 'export', '--json'])
    expect((JSON.parse(byRoot.stdout) as { trust: string }).trust).not.toBe(
      readFileSync(serving.connectCa, 'utf8'),
    )
  })

  it('survives malformed requests', async () => {
    const { port } = new URL(serving.connectProxy)
    for (const text of [
      'CONNECT swapi.cisco.com:443\r\n\r\n',
      'CONNECT swapi.cisco.com:443@evil:443 HTTP/1.1\r\nhost: x\r\n\r\n',
      'CONNECT swapi.cisco.com:443 HTTP/1.1\r\nhost: x\r\n\r\nthis is no TLS',
      '\0\0\0\0\r\n\r\n',
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.end(text))
        socket.on('data', () => undefined)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          resolve()
        })
      })
    }
    expect((await curl(...trusting(), 'https://swapi.cisco.com/health')).stdout).toBe('{"status":"ok"}')
  })

  it('accepts only loopback addresses, exact host names and a single process', async () => {
    const serve = (...words: string[]) =>
      programs.authority(['--json', 'serve', '--listen', '127.0.0.1:0', ...words])
    for (const [words, code] of [
      [['--connect-proxy', '0.0.0.0:0'], 'INVALID_ARGUMENT'],
      [['--connect-proxy', '127.0.0.1:0', '--connect-host', '*.cisco.com'], 'INVALID_ARGUMENT'],
      [['--connect-host', 'swapi.cisco.com'], 'USAGE'],
      [['--connect-proxy', '127.0.0.1:0', '--workers', '2'], 'USAGE'],
    ] as const) {
      const refused = await serve(...words)
      expect([refused.code, parseError(refused).code]).toEqual([2, code])
    }
  })

  it('is refused by an authority that was not created for tests', async () => {
    const production = createPrograms()
    try {
      await production.initAuthority()
      const refused = await production.authority([
        ...['--json', 'serve', '--listen', '127.0.0.1:0', '--connect-proxy', '127.0.0.1:0'],
      ])
      expect(parseError(refused)).toMatchObject({
        code: 'CHAOS_NOT_ALLOWED',
        message:
          'A CONNECT proxy is for tests only. This authority was not created with --allow-fault-injection.',
      })
    } finally {
      await production.close()
    }
  })
})
