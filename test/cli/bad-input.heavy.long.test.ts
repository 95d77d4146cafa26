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
  await programs.initBox(url)
})
afterAll(async () => {
  await programs.close()
})

const cases: [string, string[], number, string][] = [
  ['nothing at all', [], 2, 'USAGE'],
  ['an unknown command', ['bogus'], 2, 'USAGE'],
  ['an unknown subcommand', ['renew', 'nothing'], 2, 'USAGE'],
  ['an unknown option', ['status', '--bogus'], 2, 'USAGE'],
  ['a word too many', ['status', 'bogus'], 2, 'USAGE'],
  ['a word too few', ['usage', 'set', 'HOST'], 2, 'USAGE'],
  ['a count that is none', ['usage', 'set', 'HOST', 'many'], 2, 'INVALID_ARGUMENT'],
  ['a negative count', ['usage', 'set', 'HOST', '-1'], 2, 'INVALID_ARGUMENT'],
  ['a tag the product does not have', ['usage', 'set', 'NOTAG', '1'], 1, 'UNKNOWN_TAG'],
  ['a topic there is not', ['show', 'nothing'], 2, 'INVALID_ARGUMENT'],
  ['an http URL', ['transport', 'direct', 'http://localhost:1'], 1, 'TRANSPORT_URL_INVALID'],
  ['a URL with a password', ['transport', 'direct', 'https://u:p@localhost'], 1, 'TRANSPORT_URL_INVALID'],
  ['an unreadable token file', ['register', '--token-file', '/nonexistent'], 1, 'FILE_UNREADABLE'],
  ['a directory as token file', ['register', '--token-file', '/'], 1, 'FILE_UNREADABLE'],
  ['no token', ['register'], 2, 'TOKEN_MISSING'],
  ['a token that is none', ['register', 'SLT1.x'], 1, 'TOKEN_MALFORMED'],
  ['deregistering with nobody to confirm', ['deregister'], 2, 'CONFIRMATION_REQUIRED'],
  ['deregistering a box that is not registered', ['deregister', '--yes'], 1, 'NOT_REGISTERED'],
  ['making a box twice', ['init', '--pid', 'X', '--serial', 'Y'], 1, 'DATA_DIR_EXISTS'],
  ['a size there is not', ['init', '--pid', 'X', '--serial', 'Y', '--size', 'huge'], 2, 'USAGE'],
  ['a trust anchor that is none', ['trust', 'install', '/etc/hostname'], 1, 'TRUST_ANCHOR_INVALID'],
  ['watching without a daemon', ['watch'], 1, 'DAEMON_UNREACHABLE'],
  ['a log level there is not', ['run', '--log-level', 'loud'], 2, 'USAGE'],
]

describe('bad input to smart-agent', () => {
  it.each(pickEveryNth(selectScale(8, 1), cases))(
    'R-UI-3: %s is refused by its code',
    async (_, words, exit, code) => {
      const before = await programs.status()
      const ended = await programs.agent([...words, '--json'])
      expect([ended.code, parseError(ended).code, ended.stdout]).toEqual([exit, code, ''])
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
      const { message, remedy } = parseError(ended)
      expect(message.length * remedy.length).toBeGreaterThan(0)
      // To people it is one line too, with what to do.
      const result = await programs.agent(words)
      expect(result.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(result.stderr).toContain(remedy)
      // Nothing has changed but the seconds.
      const { evaluation: _was, ...rest } = before
      const { evaluation: _is, ...after } = await programs.status()
      expect(after).toEqual(rest)
    },
  )

  it('R-UI-3: a data directory that is not there, or not ours', async () => {
    const at = (dir: string) => programs.run('smart-agent', ['--data-dir', dir, 'status', '--json'])
    expect(parseError(await at(join(programs.directory, 'nothing'))).code).toBe('DATA_DIR_MISSING')
    expect(parseError(await at('/etc')).code).toBe('DATA_DIR_MISSING')
    writeFileSync(join(programs.directory, 'file'), '')
    expect(parseError(await at(join(programs.directory, 'file'))).code).toBe('DATA_DIR_MISSING')
  })

  it('R-UI-3: a database that is damaged', async () => {
    await programs.initBox(url, 'damaged')
    writeFileSync(
      join(programs.box('damaged'), 'agent.db'),
      'this is not a database at all, whatever its name says',
    )
    expect(parseError(await programs.agent(['status', '--json'], { box: 'damaged' })).code).toBe(
      'STORE_UNREADABLE',
    )
  })

  it('R-NET-1: the wrong root certificate: TLS is untrusted, and registration is tried again', async () => {
    const other = createPrograms()
    await other.initAuthority()
    await other.initBox(url)
    const ended = await other.agent(['register', await other.token(), '--json'])
    expect([ended.code, parseError(ended).code]).toEqual([1, 'TLS_UNTRUSTED'])
    expect((await other.status()).registration).toMatchObject({ status: 'retrying' })
    await other.close()
  })

  it('R-NET-1: an https URL to a port that speaks plain HTTP', async () => {
    const plain = createServer((_, answer) => answer.end('hello'))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    await programs.initBox(`https://127.0.0.1:${(plain.address() as AddressInfo).port}`, 'plain')
    const ended = await programs.agent(['register', await programs.token(), '--json'], { box: 'plain' })
    expect([ended.code, parseError(ended).code]).toEqual([1, 'TLS_PLAIN_TEXT'])
    plain.close()
  })

  it('R-NET-1: the environment’s proxies and TLS switches change nothing', async () => {
    const other = createPrograms()
    await other.initAuthority()
    await other.initBox(url)
    const env = {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      HTTPS_PROXY: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
      ALL_PROXY: 'http://127.0.0.1:9',
    }
    const ended = await other.agent(['register', await other.token(), '--json'], { env })
    expect(parseError(ended).code).toBe('TLS_UNTRUSTED')
    await other.close()
    await programs.initBox(url, 'proxied')
    const good = await programs.agent(['register', await programs.token(), '--json'], { box: 'proxied', env })
    expect([good.code, (JSON.parse(good.stdout) as { state: string }).state]).toEqual([0, 'authorized'])
  })

  it('R-NET-1: nobody there, and a name nobody knows', async () => {
    await programs.initBox('https://127.0.0.1:1', 'nobody')
    const refused = await programs.agent(['register', await programs.token(), '--json'], { box: 'nobody' })
    expect([refused.code, parseError(refused).code]).toEqual([1, 'CONNECTION_REFUSED'])
    await programs.agent(['transport', 'direct', 'https://nobody.invalid', '--json'], { box: 'nobody' })
    const unknown = await programs.agent(['register', await programs.token(), '--json'], { box: 'nobody' })
    expect([unknown.code, parseError(unknown).code]).toEqual([1, 'DNS_FAILED'])
  })
})

describe('bad input to smart-authority', () => {
  const authorityCases: [string, string[], number, string][] = [
    ['nothing at all', [], 2, 'USAGE'],
    ['an unknown command', ['bogus'], 2, 'USAGE'],
    ['making it twice', ['init', '--account', 'a.example', '--accept-agreement'], 1, 'DATA_DIR_EXISTS'],
    ['an order of nothing', ['order', '--tag', 'HOST', '--quantity', '0'], 2, 'INVALID_ARGUMENT'],
    ['an order of an unknown tag', ['order', '--tag', 'NOTAG', '--quantity', '1'], 1, 'UNKNOWN_TAG'],
    [
      'a virtual account there is not',
      ['token', 'create', '--virtual-account', 'X', '--days', '1'],
      1,
      'NOT_FOUND',
    ],
    ['a token for no days', ['token', 'create', '--days', '0'], 2, 'INVALID_ARGUMENT'],
    ['a token for more than a year', ['token', 'create', '--days', '366'], 2, 'INVALID_ARGUMENT'],
    ['a token for too many', ['token', 'create', '--days', '1', '--max-uses', '4001'], 2, 'INVALID_ARGUMENT'],
    ['revoking what there is not', ['token', 'revoke', 'nothing'], 1, 'NOT_FOUND'],
    ['removing what there is not', ['instance', 'remove', 'nothing'], 1, 'NOT_FOUND'],
    ['an account there is not', ['license', 'list', '--account', 'b.example'], 1, 'NOT_FOUND'],
    ['removing the default', ['virtual-account', 'remove', 'Default'], 1, 'VIRTUAL_ACCOUNT_IS_DEFAULT'],
    ['an address that is none', ['serve', '--listen', 'nonsense'], 2, 'INVALID_ARGUMENT'],
  ]
  it.each(pickEveryNth(selectScale(8, 1), authorityCases))(
    'R-UI-3: %s is refused by its code',
    async (_, words, exit, code) => {
      const ended = await programs.authority([...words, '--json'])
      expect([ended.code, parseError(ended).code, ended.stdout]).toEqual([exit, code, ''])
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(parseError(ended).remedy).not.toBe('')
    },
  )

  it('R-ACC-8: the agreement must be accepted', async () => {
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

  it('an address in use', async () => {
    const ended = await programs.authority(['serve', '--listen', new URL(url).host, '--json'])
    expect([ended.code, parseError(ended).code]).toEqual([1, 'ADDRESS_IN_USE'])
  })
})
