import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { MIGRATIONS } from '../../src/authority/store/migrations/index.ts'
import { AuthorityStore } from '../../src/authority/store/store.ts'
import { RestApi } from '../../src/rest/rest.ts'
import { AuthorityMetrics } from '../../src/telemetry/authority-metrics.ts'
import { computeThumbprint, parseRoots } from '../../src/pki/chain-validation.ts'
import { startCommitProxy } from '../support/commit-proxy.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { sendRaw } from '../support/rest.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { itInRelease, pickEveryNth, selectScale } from '../support/scale.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

let server: Postgres
let programs: Programs
let directory: string
beforeAll(async () => {
  // The server must be durable, because these tests crash it.
  server = await startPostgres({ durable: true })
})
afterAll(() => {
  server.stop()
})
beforeEach(() => {
  programs = createPrograms()
  directory = mkdtempSync(join(tmpdir(), 'sla-database-'))
})
afterEach(async () => {
  await programs.close()
  rmSync(directory, { recursive: true, force: true })
})

async function query<T>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query(text)
    return rows as T[]
  } finally {
    await client.end()
  }
}

/** Terminates all other connections to a database, as a failing network does. */
const terminateConnections = (url: string) =>
  query(
    url,
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )

describe('the PostgreSQL tables', () => {
  test('are created once when several processes start at the same time', async () => {
    const url = await server.database()
    const stores = await Promise.all(Array.from({ length: 8 }, () => AuthorityStore.open(directory, url)))
    expect(await query(url, 'select name from schema_migrations order by name')).toEqual(
      MIGRATIONS.map(({ name }) => ({ name })),
    )
    for (const store of stores) await store.close()
  })

  itInRelease('are either complete or absent when init is killed at any moment', async () => {
    const url = await server.database()
    const init = ['--database', url, 'init', '--account', 'acme.example', '--accept-agreement']
    let killed = 0
    for (let wait = 250; ; wait += Math.max(250, wait / 4)) {
      const child = programs.start('smart-authority', ['--data-dir', programs.dataDir('authority'), ...init])
      const ended = once(child, 'close')
      const timer = setTimeout(() => child.kill('SIGKILL'), wait)
      const [code] = (await ended) as [number | null]
      clearTimeout(timer)
      if (code === null) killed++
      else break
    }
    expect(killed).toBeGreaterThan(0)
    const listed = await programs.authority(['virtual-account', 'list', '--json'])
    expect([listed.code, listed.stderr]).toEqual([0, ''])
    expect(await query(url, 'select count(*)::int as n from schema_migrations')).toEqual([
      { n: MIGRATIONS.length },
    ])
  })
})

describe('--database', () => {
  test('is given at init and stored in a file that only the owner can read', async () => {
    const url = await server.database()
    const init = ['init', '--account', 'acme.example', '--accept-agreement', '--json']
    await programs.good(programs.authority(['--database', url, ...init]))
    await programs.good(programs.authority(['order', '--tag', 'HOST', '--quantity', '3', '--json']))
    const { licenses } = await programs.good<{ licenses: { quantity: number }[] }>(
      programs.authority(['license', 'list', '--json']),
    )
    expect(licenses.map(({ quantity }) => quantity)).toContain(3)
    const file = join(programs.dataDir('authority'), 'database.url')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file, 'utf8').trim()).toBe(url)
    // A second init of the directory and another database for it are both rejected.
    expect(parseError(await programs.authority(init)).code).toBe('DATA_DIR_EXISTS')
    const other = await server.database()
    expect(
      parseError(await programs.authority(['--database', other, 'account', 'list', '--json'])).code,
    ).toBe('DATA_DIR_EXISTS')
    const elsewhere = await programs.run('smart-authority', [
      ...['--data-dir', programs.dataDir('elsewhere'), '--database', url],
      ...init,
    ])
    expect(parseError(elsewhere).code).toBe('DATA_DIR_EXISTS')
  })

  test('rejects text with U+0000, which PostgreSQL cannot store, with INVALID_ARGUMENT', async () => {
    const database = await server.database()
    await Authority.init({ dataDir: directory, account: 'acme.example', acceptAgreement: true, database })
    const authority = await Authority.open({ dataDir: directory })
    try {
      expect(await getErrorCode(authority.operations.events.list({ virtualAccount: 'a\u0000' }))).toBe(
        'INVALID_ARGUMENT',
      )
      expect(await authority.operations.events.list({ virtualAccount: 'a' })).toEqual([])
    } finally {
      await authority.close()
    }
  })

  test('with an invalid or refused URL is rejected without showing its password', async () => {
    const { port, hostname } = new URL(server.url)
    for (const [url, code] of [
      ['mysql://x:secret-word@127.0.0.1/x', 'INVALID_ARGUMENT'],
      [`postgres://unknown:secret-word@${hostname}:${port}/nothing`, 'DATABASE_REFUSED'],
      [`postgres://postgres:secret-word@${hostname}:${port}/nothing`, 'DATABASE_REFUSED'],
    ] as const) {
      const ended = await programs.authority([
        ...['--database', url, 'init', '--account', 'acme.example', '--accept-agreement', '--json'],
      ])
      expect([url, parseError(ended).code]).toEqual([url, code])
      expect(ended.stdout + ended.stderr).not.toContain('secret-word')
    }
  })
})

describe('a lost connection', () => {
  test('during transactions makes the authority retry them, so that each is done exactly once', async () => {
    const database = await server.database()
    await Authority.init({ dataDir: directory, account: 'acme.example', acceptAgreement: true, database })
    const authority = await Authority.open({ dataDir: directory })
    let [done, cuts] = [0, 0]
    // The cuts run one after another, because each also terminates the connection of another cut.
    let cutting: Promise<unknown> = Promise.resolve()
    const orders = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const order = await authority.orders.create({ tag: 'HOST', quantity: i + 1 })
        // Fewer cuts than a transaction has attempts, each during other transactions, at any speed of the machine.
        if (++done % 10 === 0 && done < 60) {
          cuts++
          cutting = cutting.then(() => terminateConnections(database))
        }
        return order
      }),
    )
    expect(cuts).toBe(5)
    await cutting
    expect(new Set(orders.map(({ id }) => id)).size).toBe(60)
    const [sum] = await query<{ n: number; count: number }>(
      database,
      'select sum(quantity)::int as n, count(*)::int as count from licenses',
    )
    expect(sum).toEqual({ n: (60 * 61) / 2, count: 60 })
    await authority.close()
  })

  test('at the commit is resolved by asking the database whether the transaction was committed', async () => {
    const proxy = await startCommitProxy(server.url)
    const database = proxy.url(await server.database())
    const store = await AuthorityStore.open(directory, database)
    // A committed transaction is not retried. One that was not committed is.
    for (const [cut, attempts] of [
      ['after', 1],
      ['before', 2],
    ] as const) {
      let attempted = 0
      const name = `cut-${cut}`
      const result = await store.transaction(async (tx) => {
        attempted++
        await tx
          .insertInto('settings')
          .values({ name, value: String(attempted) })
          .execute()
        if (attempted === 1) proxy.cutNextCommit(cut)
        return attempted
      })
      expect([cut, attempted, result]).toEqual([cut, attempts, attempts])
      expect(await query(database, `select value from settings where name = '${name}'`)).toEqual([
        { value: String(attempts) },
      ])
    }
    expect(proxy.cuts()).toBe(2)
    await store.close()
    proxy.close()
  })

  itInRelease('that does not return is reported in time, and the server is not ready', async () => {
    const own = await startPostgres({ durable: true })
    try {
      const database = await own.database()
      await Authority.init({ dataDir: directory, account: 'acme.example', acceptAgreement: true, database })
      const authority = await Authority.open({ dataDir: directory })
      const logger = { info: () => undefined, error: () => undefined }
      const url = await authority.listen({
        host: '127.0.0.1',
        port: 0,
        routes: new RestApi(authority, { logger }).routes,
      })
      const metrics = new AuthorityMetrics()
      metrics.attach(authority.operations)
      own.crash()
      const startedAt = performance.now()
      const elapsed = () => performance.now() - startedAt
      // Answers must arrive before client timeouts: a few seconds for a load balancer, ten for a scraper.
      const [reasons] = await Promise.all([
        authority.operations.server.notReadyReasons(),
        metrics.render().then(({ text }) => {
          expect(elapsed()).toBeLessThan(9_000)
          expect(text).toMatch(/^smart_authority_database_up 0$/m)
          expect(text).toMatch(/^smart_authority_ready 0$/m)
        }),
        authority.operations.server.notReadyReasons().then(() => {
          expect(elapsed()).toBeLessThan(4_000)
        }),
      ])
      expect(reasons).toEqual(['database'])
      const form = { grant_type: 'client_credentials', client_id: 'x', client_secret: 'x' }
      const answer = await sendRaw({ port: Number(new URL(url).port) }, '/oauth/token', { form })
      expect([answer.status, answer.headers['retry-after'], answer.text]).toEqual([503, '30', ''])
      expect(await getErrorCode(authority.licenses.list())).toBe('DATABASE_UNREACHABLE')
      own.start()
      expect(await authority.licenses.list()).toEqual([])
      await authority.close()
    } finally {
      own.stop()
    }
  })
})

describe('two processes on one database, with 64 devices and a pool of 100', () => {
  test('keep correct sums and give no request two different answers when the processes and the database are killed (R-AUTH-2, R-ACC-2)', async () => {
    const database = await server.database()
    await programs.good(
      programs.authority([
        ...['--database', database, 'init', '--account', 'acme.example', '--accept-agreement', '--json'],
      ]),
    )
    await programs.order(100)
    const token = await programs.token()
    const { stdout: ca } = await programs.authority(['trust', 'export'])
    // The second process has its own copy of the data directory, with the same keys.
    copyDirectory(programs.dataDir('authority'), programs.dataDir('other'))
    const serve = (name: string, port = 0) =>
      programs.serve('smart-authority', [
        ...['--data-dir', programs.dataDir(name), 'serve', '--listen', `127.0.0.1:${port}`],
      ])
    const servers = [await serve('authority'), await serve('other')]
    const ports = servers.map(({ line }) => Number(new URL(line.replace('listening on ', '')).port))
    const [root] = parseRoots(ca)
    const options = {
      ports,
      ca,
      token,
      root: root && computeThumbprint(root),
      devices: 64,
    }
    const clients = spawn(
      process.execPath,
      [new URL('../../bench/clients.mjs', import.meta.url).pathname, JSON.stringify(options)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const lines = createInterface({ input: clients.stdout })[Symbol.asyncIterator]()
    // Each round lasts until 100 answers have arrived: a busy machine could answer nothing in a fixed time.
    const turns = selectScale(2, 8)
    for (let turn = 0; turn < turns; turn++) {
      for (let answer = 0; answer < 100; answer++) expect((await lines.next()).value).toMatch(/^\d+$/)
      if (turn === 2) {
        server.crash()
        server.start()
      }
      const which = turn % 2
      await servers[which]?.stop('SIGKILL')
      servers[which] = await serve(which === 0 ? 'authority' : 'other', ports[which])
    }
    clients.stdin.end()
    let last = ''
    for await (const line of lines) last = line
    const summary = JSON.parse(last) as {
      exchanges: number
      repeated: number
      differed: number
      inUse: number
    }
    expect(summary.exchanges).toBeGreaterThanOrEqual(100 * turns)
    expect(summary.repeated).toBeGreaterThan(selectScale(0, 10))
    expect(summary.differed).toBe(0)
    const { licenses } = await programs.good<{
      licenses: { tag: string; quantity: number; inUse: number; status: string }[]
    }>(programs.authority(['license', 'list', '--json']))
    expect(licenses).toMatchObject([
      {
        tag: 'HOST',
        quantity: 100,
        inUse: summary.inUse,
        status: summary.inUse > 100 ? 'out-of-compliance' : 'in-compliance',
      },
    ])
    const [sums] = await query<{ demands: number; instances: number; uses: number }>(
      database,
      `select (select coalesce(sum(count), 0)::int from instance_usage) as demands,
        (select count(*)::int from instances) as instances, (select sum(uses)::int from tokens) as uses`,
    )
    expect(sums).toEqual({ demands: summary.inUse, instances: 64, uses: 64 })
  })
})

describe('restore into a PostgreSQL database', () => {
  test.each(
    pickEveryNth(selectScale(3, 1), ['before the command', 'after the command', 'in the environment']),
  )('works with the database given %s', async (where) => {
    await programs.initAuthority()
    const [file, passphrase] = [join(directory, 'a.backup'), join(directory, 'passphrase')]
    writeFileSync(passphrase, 'a passphrase of the test', { mode: 0o600 })
    const backup = [file, '--passphrase-file', passphrase, '--json']
    await programs.good(programs.authority(['backup', ...backup]))
    const url = await server.database()
    const named = ['--database', url]
    await programs.good(
      programs.run(
        'smart-authority',
        [
          ...['--data-dir', join(directory, 'new')],
          ...(where === 'before the command' ? named : []),
          ...['restore', ...backup],
          ...(where === 'after the command' ? named : []),
        ],
        { env: where === 'in the environment' ? { SMART_AUTHORITY_DATABASE: url } : {} },
      ),
    )
    expect(existsSync(join(directory, 'new', 'authority.db'))).toBe(false)
    expect(await query(url, 'select 1 as there from settings limit 1')).toEqual([{ there: 1 }])
  })

  test('can be repeated after a kill at any step once the rows were written', async () => {
    const passphrase = join(directory, 'passphrase')
    writeFileSync(passphrase, 'correct horse battery')
    const file = join(directory, 'backup')
    await programs.initAuthority()
    await programs.order(5)
    await programs.good(programs.authority(['backup', file, '--passphrase-file', passphrase, '--json']))
    const restore = (name: string, url: string, step: number) =>
      programs.run(
        'smart-authority',
        [
          ...['--data-dir', join(directory, name), 'restore', file, '--passphrase-file', passphrase],
          ...['--database', url, '--json'],
        ],
        {
          env: {
            NODE_OPTIONS: `--require ${new URL('../support/crash-at.cjs', import.meta.url).pathname}`,
            DIE_AT: String(step),
            DIE_UNDER: directory,
            DIE_COUNT: join(directory, 'steps'),
          },
        },
      )
    expect(await restore('counted', await server.database(), 0)).toMatchObject({ code: 0 })
    const steps = Number(readFileSync(join(directory, 'steps'), 'utf8'))
    const left: string[] = []
    for (let step = steps; step > steps - 8; step -= selectScale(7, 1)) {
      const url = await server.database()
      const name = `killed-${step}`
      expect((await restore(name, url, step)).code).toBe(null)
      const isRestored = existsSync(join(directory, name, 'database.url'))
      const filled = await query<{ n: number }>(url, 'select count(*)::int as n from licenses')
      left.push(`${isRestored ? 'whole' : 'none'} ${filled[0]?.n ?? 0}`)
      // An incomplete restore leaves the database free, so another data directory can use it.
      if (!isRestored) await programs.good(restore(`${name}-again`, url, 0))
      const dataDir = join(directory, isRestored ? name : `${name}-again`)
      const { licenses } = await programs.good<{ licenses: { quantity: number }[] }>(
        programs.run('smart-authority', ['--data-dir', dataDir, 'license', 'list', '--json']),
      )
      expect(licenses.map(({ quantity }) => quantity)).toEqual([5])
      // The database of a complete authority cannot be used by another.
      expect(parseError(await restore(`${name}-stolen`, url, 0)).code).toBe('DATA_DIR_EXISTS')
    }
    expect(new Set(left)).toEqual(new Set(['whole 1', 'none 1']))
  })
})
