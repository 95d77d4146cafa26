import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { pickEveryNth, selectScale } from '../support/scale.ts'

let programs: Programs
let url: string
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  ;({ url } = await programs.serveAuthority())
  await programs.initDevice(url)
})
afterAll(async () => {
  await programs.close()
})

const cases: [string, string[], number, string][] = [
  ['a missing command', [], 2, 'USAGE'],
  ['an unknown command', ['bogus'], 2, 'USAGE'],
  ['an unknown subcommand', ['renew', 'nothing'], 2, 'USAGE'],
  ['an unknown option', ['status', '--bogus'], 2, 'USAGE'],
  ['a surplus argument', ['status', 'bogus'], 2, 'USAGE'],
  ['a missing argument', ['usage', 'set', 'HOST'], 2, 'USAGE'],
  ['a non-numeric count', ['usage', 'set', 'HOST', 'many'], 2, 'INVALID_ARGUMENT'],
  ['a negative count', ['usage', 'set', 'HOST', '-1'], 2, 'INVALID_ARGUMENT'],
  ['an unknown tag', ['usage', 'set', 'NOTAG', '1'], 1, 'UNKNOWN_TAG'],
  ['an unknown show topic', ['show', 'nothing'], 2, 'INVALID_ARGUMENT'],
  ['an http URL', ['transport', 'direct', 'http://localhost:1'], 1, 'TRANSPORT_URL_INVALID'],
  ['a URL with a password', ['transport', 'direct', 'https://u:p@localhost'], 1, 'TRANSPORT_URL_INVALID'],
  ['an unreadable token file', ['register', '--token-file', '/nonexistent'], 1, 'FILE_UNREADABLE'],
  ['a directory as token file', ['register', '--token-file', '/'], 1, 'FILE_UNREADABLE'],
  ['no token', ['register'], 2, 'TOKEN_MISSING'],
  ['a malformed token', ['register', 'SLT1.x'], 1, 'TOKEN_MALFORMED'],
  ['deregistering without a confirmation', ['deregister'], 2, 'CONFIRMATION_REQUIRED'],
  ['deregistering an unregistered device', ['deregister', '--yes'], 1, 'NOT_REGISTERED'],
  ['creating an agent twice', ['init', '--pid', 'X', '--serial', 'Y'], 1, 'DATA_DIR_EXISTS'],
  ['an unknown size', ['init', '--pid', 'X', '--serial', 'Y', '--size', 'huge'], 2, 'USAGE'],
  ['an invalid root certificate', ['trust', 'install', '/etc/hostname'], 1, 'TRUST_ANCHOR_INVALID'],
  ['watching without a daemon', ['watch'], 1, 'DAEMON_UNREACHABLE'],
  ['an unknown log level', ['run', '--log-level', 'loud'], 2, 'USAGE'],
]

describe('smart-agent with bad input', () => {
  it.each(pickEveryNth(selectScale(8, 1), cases))(
    'refuses %s with its error code (R-UI-3)',
    async (_, words, exit, code) => {
      const before = await programs.status()
      const ended = await programs.agent([...words, '--json'])
      expect([ended.code, parseError(ended).code, ended.stdout]).toEqual([exit, code, ''])
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
      const { message, remedy } = parseError(ended)
      expect(message.length * remedy.length).toBeGreaterThan(0)
      // The text output is one line too, and includes the remedy.
      const result = await programs.agent(words)
      expect(result.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(result.stderr).toContain(remedy)
      // Only the remaining seconds of the evaluation may change.
      const { evaluation: _before, ...expected } = before
      const { evaluation: _after, ...after } = await programs.status()
      expect(after).toEqual(expected)
    },
  )

  it('reports DATA_DIR_MISSING for a missing or foreign data directory (R-UI-3)', async () => {
    const at = (dir: string) => programs.run('smart-agent', ['--data-dir', dir, 'status', '--json'])
    expect(parseError(await at(join(programs.directory, 'nothing'))).code).toBe('DATA_DIR_MISSING')
    expect(parseError(await at('/etc')).code).toBe('DATA_DIR_MISSING')
    writeFileSync(join(programs.directory, 'file'), '')
    expect(parseError(await at(join(programs.directory, 'file'))).code).toBe('DATA_DIR_MISSING')
  })

  it('reports STORE_UNREADABLE for a damaged database (R-UI-3)', async () => {
    await programs.initDevice(url, 'damaged')
    writeFileSync(
      join(programs.dataDir('damaged'), 'agent.db'),
      'this is not a database at all, whatever its name says',
    )
    expect(parseError(await programs.agent(['status', '--json'], { device: 'damaged' })).code).toBe(
      'STORE_UNREADABLE',
    )
  })

  it('reports TLS_UNTRUSTED for a wrong root certificate and retries the registration (R-NET-1)', async () => {
    const other = createPrograms()
    await other.initAuthority()
    await other.initDevice(url)
    const ended = await other.agent(['register', await other.token(), '--json'])
    expect([ended.code, parseError(ended).code]).toEqual([1, 'TLS_UNTRUSTED'])
    expect((await other.status()).registration).toMatchObject({ status: 'retrying' })
    await other.close()
  })

  it('reports TLS_PLAIN_TEXT for an https URL of a plain HTTP server (R-NET-1)', async () => {
    const plain = createServer((_, answer) => answer.end('hello'))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    await programs.initDevice(`https://127.0.0.1:${(plain.address() as AddressInfo).port}`, 'plain')
    const ended = await programs.agent(['register', await programs.token(), '--json'], { device: 'plain' })
    expect([ended.code, parseError(ended).code]).toEqual([1, 'TLS_PLAIN_TEXT'])
    plain.close()
  })

  it('ignores proxy and TLS variables of the environment (R-NET-1)', async () => {
    const other = createPrograms()
    await other.initAuthority()
    await other.initDevice(url)
    const env = {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      HTTPS_PROXY: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
      ALL_PROXY: 'http://127.0.0.1:9',
    }
    const ended = await other.agent(['register', await other.token(), '--json'], { env })
    expect(parseError(ended).code).toBe('TLS_UNTRUSTED')
    await other.close()
    await programs.initDevice(url, 'proxied')
    const good = await programs.agent(['register', await programs.token(), '--json'], {
      device: 'proxied',
      env,
    })
    expect([good.code, (JSON.parse(good.stdout) as { state: string }).state]).toEqual([0, 'authorized'])
  })

  it('reports CONNECTION_REFUSED for a closed port and DNS_FAILED for an unknown host name (R-NET-1)', async () => {
    await programs.initDevice('https://127.0.0.1:1', 'unreachable')
    const refused = await programs.agent(['register', await programs.token(), '--json'], {
      device: 'unreachable',
    })
    expect([refused.code, parseError(refused).code]).toEqual([1, 'CONNECTION_REFUSED'])
    await programs.agent(['transport', 'direct', 'https://unknown.invalid', '--json'], {
      device: 'unreachable',
    })
    const unknown = await programs.agent(['register', await programs.token(), '--json'], {
      device: 'unreachable',
    })
    expect([unknown.code, parseError(unknown).code]).toEqual([1, 'DNS_FAILED'])
  })
})

describe('smart-authority with bad input', () => {
  const authorityCases: [string, string[], number, string][] = [
    ['a missing command', [], 2, 'USAGE'],
    ['an unknown command', ['bogus'], 2, 'USAGE'],
    [
      'creating an authority twice',
      ['init', '--account', 'a.example', '--accept-agreement'],
      1,
      'DATA_DIR_EXISTS',
    ],
    ['an order with quantity 0', ['order', '--tag', 'HOST', '--quantity', '0'], 2, 'INVALID_ARGUMENT'],
    ['an order of an unknown tag', ['order', '--tag', 'NOTAG', '--quantity', '1'], 1, 'UNKNOWN_TAG'],
    [
      'an unknown virtual account',
      ['token', 'create', '--virtual-account', 'X', '--days', '1'],
      1,
      'NOT_FOUND',
    ],
    ['a token valid for 0 days', ['token', 'create', '--days', '0'], 2, 'INVALID_ARGUMENT'],
    ['a token valid for 366 days', ['token', 'create', '--days', '366'], 2, 'INVALID_ARGUMENT'],
    [
      'a token with 4001 uses',
      ['token', 'create', '--days', '1', '--max-uses', '4001'],
      2,
      'INVALID_ARGUMENT',
    ],
    ['revoking an unknown token', ['token', 'revoke', 'nothing'], 1, 'NOT_FOUND'],
    ['removing an unknown instance', ['instance', 'remove', 'nothing'], 1, 'NOT_FOUND'],
    ['a removal without a reason', ['instance', 'remove', 'nothing', '--without-return-code'], 2, 'USAGE'],
    ['a reason for no removal', ['instance', 'remove', 'nothing', '--reason', 'stolen'], 2, 'USAGE'],
    [
      'a removal with and without a return code',
      ['instance', 'remove', 'nothing', '--without-return-code', '--reason', 'stolen', '--return-code', 'A'],
      2,
      'USAGE',
    ],
    ['an unknown smart account', ['license', 'list', '--account', 'b.example'], 1, 'NOT_FOUND'],
    [
      'removing the default virtual account',
      ['virtual-account', 'remove', 'Default'],
      1,
      'VIRTUAL_ACCOUNT_IS_DEFAULT',
    ],
    ['a backup without a passphrase', ['backup', '/nonexistent/backup'], 2, 'SECRET_MISSING'],
    ['an invalid address', ['serve', '--listen', 'nonsense'], 2, 'INVALID_ARGUMENT'],
  ]
  it.each(pickEveryNth(selectScale(8, 1), authorityCases))(
    'refuses %s with its error code (R-UI-3)',
    async (_, words, exit, code) => {
      const ended = await programs.authority([...words, '--json'])
      expect([ended.code, parseError(ended).code, ended.stdout]).toEqual([exit, code, ''])
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(parseError(ended).remedy).not.toBe('')
    },
  )

  it('requires acceptance of the agreement (R-ACC-8)', async () => {
    const ended = await programs.run('smart-authority', [
      '--data-dir',
      join(programs.directory, 'new'),
      'init',
      '--account',
      'a.example',
      '--json',
    ])
    expect([ended.code, parseError(ended).code]).toEqual([1, 'AGREEMENT_NOT_ACCEPTED'])
  })

  it('reports ADDRESS_IN_USE for an occupied address', async () => {
    const ended = await programs.authority(['serve', '--listen', new URL(url).host, '--json'])
    expect([ended.code, parseError(ended).code]).toEqual([1, 'ADDRESS_IN_USE'])
  })
})
