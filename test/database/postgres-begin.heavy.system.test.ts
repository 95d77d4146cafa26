import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { AuthorityStore, readSetting, writeSetting } from '../../src/authority/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { itInRelease } from '../support/scale.ts'

/** Key of the advisory lock that every write transaction takes first. */
const WRITER_LOCK = 0x5a1_a001
/** Number of concurrent transactions: more than a process has connections. */
const MANY = 20

let server: Postgres
let directory: string
const opened: { close(): Promise<unknown> }[] = []
beforeAll(async () => {
  server = await startPostgres({ durable: true })
})
afterAll(() => {
  server.stop()
})
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-begin-'))
})
afterEach(async () => {
  for (const resource of opened.splice(0)) await resource.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Opens a store with PostgreSQL settings, such as shorter timeouts than in production. */
async function openStore(settings: Record<string, string>): Promise<AuthorityStore> {
  const url = new URL(await server.database())
  for (const [name, value] of Object.entries(settings)) url.searchParams.set(name, value)
  return openStoreAt(url.href)
}

async function openStoreAt(url: string): Promise<AuthorityStore> {
  const store = await AuthorityStore.open(directory, url)
  opened.push(store)
  return store
}

async function openObserver(): Promise<pg.Client> {
  const client = new pg.Client(server.url)
  await client.connect()
  opened.push({ close: () => client.end() })
  return client
}

const writes = (store: AuthorityStore, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, number) =>
      getErrorCode(store.transaction((tx) => writeSetting(tx, `row-${number}`, 'written'))),
    ),
  )

/** Returns the states of the program's connections that are not idle. */
async function listBusyStates(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ state: string }>(
    "select state from pg_stat_activity where application_name = 'smart-authority' and state <> 'idle'",
  )
  return rows.map(({ state }) => state)
}

/** Holds the writer lock of a store's database, as a hanging writer does. Returns a function that releases it. */
async function holdLock(store: AuthorityStore): Promise<() => Promise<void>> {
  const name = await store.read(async (tx) => {
    const row = await tx
      .selectNoFrom((select) => select.fn<string>('current_database').as('name'))
      .executeTakeFirst()
    return row?.name ?? ''
  })
  const holder = new pg.Client(Object.assign(new URL(server.url), { pathname: `/${name}` }).href)
  await holder.connect()
  await holder.query('begin')
  await holder.query(`select pg_advisory_xact_lock(${WRITER_LOCK})`)
  return () => holder.end()
}

/** Asserts that the store still works and that no connection is left in an aborted transaction. */
async function expectUsable(store: AuthorityStore): Promise<void> {
  const client = await openObserver()
  expect(await listBusyStates(client)).not.toContain('idle in transaction (aborted)')
  expect(await writes(store, MANY)).toEqual(Array.from({ length: MANY }, () => 'no error'))
  expect(await store.read((tx) => readSetting(tx, 'row-0'))).toBe('written')
  await eventually(async () => {
    expect(await listBusyStates(client)).toEqual([])
  })
}

describe('a transaction whose begin fails leaves a usable connection', () => {
  it('after a lock timeout (55P03)', async () => {
    const store = await openStore({ lock_timeout: '2000' })
    const releaseLock = await holdLock(store)
    expect(new Set(await writes(store, MANY))).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await releaseLock()
    await expectUsable(store)
  })

  itInRelease('after a statement timeout (57014)', async () => {
    const store = await openStore({ statement_timeout: '2000' })
    const releaseLock = await holdLock(store)
    expect(new Set(await writes(store, MANY))).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await releaseLock()
    await expectUsable(store)
  })

  it('after an administrator cancels the statement (57014)', async () => {
    const store = await openStore({})
    const releaseLock = await holdLock(store)
    const failed = writes(store, MANY)
    const client = await openObserver()
    let canceled = 0
    await eventually(async () => {
      const { rowCount } = await client.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'smart-authority' and wait_event = 'advisory'",
      )
      canceled += rowCount ?? 0
      expect(canceled).toBeGreaterThanOrEqual(MANY)
    })
    expect(new Set(await failed)).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await releaseLock()
    await expectUsable(store)
  })

  it('and is retried on another connection after its own is terminated (57P01)', async () => {
    const store = await openStore({})
    const releaseLock = await holdLock(store)
    const done = writes(store, 4)
    const client = await openObserver()
    await eventually(async () => {
      const { rowCount } = await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'smart-authority' and wait_event = 'advisory'",
      )
      expect(rowCount).toBeGreaterThan(0)
    })
    await releaseLock()
    expect(await done).toEqual(Array.from({ length: 4 }, () => 'no error'))
    await expectUsable(store)
  })
})

it('a transaction that swallows a database error is not reported as committed', async () => {
  const store = await openStore({})
  const code = await getErrorCode(
    store.transaction(async (tx) => {
      await writeSetting(tx, 'row', 'written')
      await sql`select nothing`.execute(tx).catch(() => undefined)
    }),
  )
  expect(code).toBe('INTERNAL')
  expect(await store.read((tx) => readSetting(tx, 'row'))).toBe(null)
  await expectUsable(store)
})

it('transactions do not conflict where the default isolation is serializable', async () => {
  const url = await server.database()
  const client = await openObserver()
  await client.query(
    `alter database ${new URL(url).pathname.slice(1)} set default_transaction_isolation = serializable`,
  )
  const store = await openStoreAt(url)
  let attempts = 0
  const count = () =>
    store.transaction(async (tx) => {
      attempts++
      const value = Number((await readSetting(tx, 'count')) ?? 0) + 1
      await writeSetting(tx, 'count', String(value))
      return value
    })
  expect(new Set(await Promise.all(Array.from({ length: MANY }, count))).size).toBe(MANY)
  expect(attempts).toBe(MANY)
})

describe('PgBouncer with transaction pooling', () => {
  it('serves the store, with the time limits of its transactions', async () => {
    const pooler = await startPgBouncer(server.url)
    opened.push({ close: () => pooler.stop() })
    const store = await openStoreAt(pooler.url(await server.database()))
    expect(await writes(store, MANY)).toEqual(Array.from({ length: MANY }, () => 'no error'))
    const limit = await store.read((tx) => sql<{ lock_timeout: string }>`show lock_timeout`.execute(tx))
    expect(limit.rows).toEqual([{ lock_timeout: '20s' }])
  })

  it.each([
    ['a start-up parameter that it does not know', '?options=-c%20geqo%3Doff'],
    ['a database that does not exist', '_missing'],
  ])('refuses %s with DATABASE_REFUSED (08P01)', async (_, ending) => {
    const pooler = await startPgBouncer(server.url)
    opened.push({ close: () => pooler.stop() })
    const url = `${pooler.url(await server.database())}${ending}`
    expect(await getErrorCode(AuthorityStore.open(directory, url))).toBe('DATABASE_REFUSED')
  })
})

itInRelease(
  'a failover to a standby lets a running process read before the promotion, and write after it (25006)',
  async () => {
    const own = await startPostgres({ durable: true })
    try {
      const database = await own.database()
      await Authority.init({ dataDir: directory, account: 'acme.example', acceptAgreement: true, database })
      const authority = await Authority.open({ dataDir: directory })
      opened.push(authority)
      await authority.orders.create({ tag: 'HOST', quantity: 1 })
      const promote = own.failOver()
      expect(await authority.licenses.list()).toMatchObject([{ tag: 'HOST', quantity: 1 }])
      const refused = await Promise.all(
        Array.from({ length: MANY }, () =>
          getErrorCode(authority.orders.create({ tag: 'HOST', quantity: 1 })),
        ),
      )
      expect(new Set(refused)).toEqual(new Set(['DATABASE_UNREACHABLE']))
      promote()
      expect(await authority.operations.server.notReadyReasons()).toEqual([])
      const ordered = await Promise.all(
        Array.from({ length: MANY }, () =>
          getErrorCode(authority.orders.create({ tag: 'HOST', quantity: 1 })),
        ),
      )
      expect(new Set(ordered)).toEqual(new Set(['no error']))
      expect(await authority.licenses.list()).toMatchObject([{ tag: 'HOST', quantity: 1 + MANY }])
      const client = new pg.Client(own.url)
      await client.connect()
      expect(await listBusyStates(client)).toEqual([])
      await client.end()
    } finally {
      for (const resource of opened.splice(0)) await resource.close()
      own.stop()
    }
  },
)
