import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AuthorityStore, readSetting, writeSetting } from '../../src/authority/store/store.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { createPrograms, parseError } from '../support/programs.ts'

/** Server with a self-signed certificate for `localhost`, which requires TLS and the password `pa#ss/w` of `licensing`. */
let server: Postgres
let plain: Postgres
let directory: string
let root: string
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-access-'))
  chmodSync(directory, 0o755)
  root = join(directory, 'server.crt')
  const key = join(directory, 'server.key')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', root, ...subject],
    { stdio: 'ignore' },
  )
  execFileSync('chown', ['postgres', key])
  const access = join(directory, 'pg_hba.conf')
  writeFileSync(
    access,
    'local all all trust\nhostssl all licensing all scram-sha-256\nhostssl all all all trust\n',
  )
  chmodSync(access, 0o644)
  server = await startPostgres({ durable: true })
  plain = await startPostgres()
  const admin = new pg.Client(server.localUrl)
  await admin.connect()
  await admin.query("create role licensing login superuser password 'pa#ss/w'")
  for (const [name, value] of [
    ['ssl_cert_file', root],
    ['ssl_key_file', key],
    ['hba_file', access],
    ['ssl', 'on'],
  ] as const)
    await admin.query(`alter system set ${name} = '${value}'`)
  await admin.end()
  server.crash()
  server.start()
})
afterAll(() => {
  server.stop()
  plain.stop()
  rmSync(directory, { recursive: true, force: true })
})
const stores: AuthorityStore[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

/** Opens an empty store. @returns `open`, or the code and the remedy of its error */
async function open(url: string): Promise<string> {
  try {
    const store = await AuthorityStore.open(mkdtempSync(join(directory, 'data-')), url)
    stores.push(store)
    return 'open'
  } catch (error) {
    return error instanceof Error && 'code' in error && 'remedy' in error
      ? `${String(error.code)}: ${error.message} ${String(error.remedy)}`
      : String(error)
  }
}

const toUrl = ({ url }: Postgres, user: string, parameters: string) =>
  `${url.replace('//postgres@', `//${user}@`).replace('127.0.0.1', 'localhost')}${parameters}`

describe('sslmode', () => {
  it.each([
    ['', /^open$/],
    ['?sslmode=prefer', /^open$/],
    ['?sslmode=require', /^open$/],
    ['?sslmode=verify-full', /^DATABASE_TLS_FAILED: .*not signed by a trusted root.*sslrootcert=FILE/],
    ['?sslmode=verify-full&sslrootcert=ROOT', /^open$/],
    ['?sslmode=require&sslrootcert=/nothing', /^DATABASE_TLS_FAILED: The file \/nothing of .*sslrootcert/],
    ['?sslmode=disable', /^DATABASE_REFUSED: .*sslmode \(28000\)/],
  ])('"%s" at a server that requires TLS, with a self-signed certificate', async (parameters, result) => {
    expect(await open(toUrl(server, 'postgres', parameters.replace('ROOT', root)))).toMatch(result)
  })

  it('verify-full refuses a certificate for another name, which verify-ca accepts', async () => {
    const url = (mode: string) => `${server.url}?sslmode=${mode}&sslrootcert=${root}`
    expect(await open(url('verify-full'))).toMatch(/^DATABASE_TLS_FAILED: .*another host name/)
    expect(await open(url('verify-ca'))).toBe('open')
  })

  it('require fails at a server without TLS, and prefer does not', async () => {
    expect(await open(toUrl(plain, 'postgres', '?sslmode=require'))).toMatch(
      /^DATABASE_TLS_FAILED: The database server does not offer TLS/,
    )
    expect(await open(toUrl(plain, 'postgres', '?sslmode=prefer'))).toBe('open')
  })
})

describe('the password of the database', () => {
  it('comes from the URL, PGPASSWORD or the password file, and a program writes nothing else', async () => {
    expect(await open(toUrl(server, 'licensing:pa%23ss%2Fw', ''))).toBe('open')
    expect(await open(toUrl(server, 'licensing:wrong', ''))).toMatch(/^DATABASE_REFUSED: .*28P01/)
    const programs = createPrograms()
    try {
      const { port } = new URL(server.url)
      const file = join(programs.directory, '.pgpass')
      writeFileSync(file, `# comment\nother:*:*:*:wrong\nlocalhost:${port}:*:licensing:pa#ss/w\n`, {
        mode: 0o600,
      })
      const init = (name: string, env: Record<string, string>) => {
        const words = ['--database', toUrl(server, 'licensing', ''), 'init', '--account', `${name}.example`]
        const options = ['--data-dir', programs.dataDir(name), ...words, '--accept-agreement', '--json']
        return programs.run('smart-authority', options, { env })
      }
      const missing = await init('a', { PGPASSFILE: '/nothing' })
      expect(parseError(missing)).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: 'The database asks for a password, and none is given.',
      })
      expect(missing.stderr.trim().split('\n')).toHaveLength(1)
      expect(await init('b', {})).toMatchObject({ code: 0, stderr: '' })
      // The database has an authority now.
      const again = await init('c', { PGPASSFILE: '/nothing', PGPASSWORD: 'pa#ss/w' })
      expect(parseError(again).code).toBe('DATA_DIR_EXISTS')
    } finally {
      await programs.close()
    }
  })
})

it('with several hosts, the one that takes writes is used', async () => {
  const reader = await startPostgres()
  try {
    const admin = new pg.Client(reader.url)
    await admin.connect()
    const database = new URL(await plain.database())
    await admin.query(`create database ${database.pathname.slice(1)}`)
    await admin.query('alter system set default_transaction_read_only = on')
    await admin.query('select pg_reload_conf()')
    await admin.end()
    const url = `postgres://postgres@127.0.0.1:1,${new URL(reader.url).host},${database.host}${database.pathname}?target_session_attrs=read-write`
    expect(await open(url)).toBe('open')
    const [store] = stores
    await store?.transaction((tx) => writeSetting(tx, 'row', 'written'))
    expect(await store?.read((tx) => readSetting(tx, 'row'))).toBe('written')
  } finally {
    for (const store of stores.splice(0)) await store.close()
    reader.stop()
  }
})
