import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { AuthorityStore, readSetting, writeSetting } from '../../src/authority/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { getErrorCode } from '../support/test-environment.ts'

/** The lock that every transaction that writes takes first. */
const WRITERS = 0x5a1_a001
/** More than a process has connections. */
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
  for (const one of opened.splice(0)) await one.close()
  rmSync(directory, { recursive: true, force: true })
})

/** A store with short time-outs, so that a test need not wait for those of production. */
async function openStore(settings: Record<string, string>): Promise<AuthorityStore> {
  const url = new URL(await server.database())
  for (const [name, value] of Object.entries(settings)) url.searchParams.set(name, value)
  const store = await AuthorityStore.open(directory, url.href)
  opened.push(store)
  return store
}

async function observer(): Promise<pg.Client> {
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

/** What connections of the program are in, but for those that do nothing. */
async function busyStates(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ state: string }>(
    "select state from pg_stat_activity where application_name = 'smart-authority' and state <> 'idle'",
  )
  return rows.map(({ state }) => state)
}

/** Holds the writers' lock of a store's database, as a writer does that hangs. */
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
  await holder.query(`select pg_advisory_xact_lock(${WRITERS})`)
  return () => holder.end()
}

/** What every error of a begin must leave: connections that can be used, and a program that goes on. */
async function expectWhole(store: AuthorityStore): Promise<void> {
  const client = await observer()
  expect(await busyStates(client)).not.toContain('idle in transaction (aborted)')
  expect(await writes(store, MANY)).toEqual(Array.from({ length: MANY }, () => 'no error'))
  expect(await store.read((tx) => readSetting(tx, 'row-0'))).toBe('written')
  await eventually(async () => {
    expect(await busyStates(client)).toEqual([])
  })
}

describe('a transaction whose begin fails leaves a connection that can be used', () => {
  it('where the lock of writers is held for longer than is waited for it (55P03)', async () => {
    const store = await openStore({ lock_timeout: '2000' })
    const letGo = await holdLock(store)
    expect(new Set(await writes(store, MANY))).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await letGo()
    await expectWhole(store)
  })

  it('where its statement takes longer than a statement may (57014)', async () => {
    const store = await openStore({ statement_timeout: '2000' })
    const letGo = await holdLock(store)
    expect(new Set(await writes(store, MANY))).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await letGo()
    await expectWhole(store)
  })

  it('where somebody cancels it (57014)', async () => {
    const store = await openStore({})
    const letGo = await holdLock(store)
    const failed = writes(store, MANY)
    const client = await observer()
    let canceled = 0
    await eventually(async () => {
      const { rowCount } = await client.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'smart-authority' and wait_event = 'advisory'",
      )
      canceled += rowCount ?? 0
      expect(canceled).toBeGreaterThanOrEqual(MANY)
    })
    expect(new Set(await failed)).toEqual(new Set(['DATABASE_UNREACHABLE']))
    await letGo()
    await expectWhole(store)
  })

  it('where its connection is ended (57P01): it is begun again, on another', async () => {
    const store = await openStore({})
    const letGo = await holdLock(store)
    const done = writes(store, 4)
    const client = await observer()
    await eventually(async () => {
      const { rowCount } = await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'smart-authority' and wait_event = 'advisory'",
      )
      expect(rowCount).toBeGreaterThan(0)
    })
    await letGo()
    expect(await done).toEqual(Array.from({ length: 4 }, () => 'no error'))
    await expectWhole(store)
  })
})

it('a transaction in which an error of the database was swallowed is not told as done', async () => {
  const store = await openStore({})
  const code = await getErrorCode(
    store.transaction(async (tx) => {
      await writeSetting(tx, 'row', 'written')
      await sql`select nothing`.execute(tx).catch(() => undefined)
    }),
  )
  expect(code).toBe('INTERNAL')
  expect(await store.read((tx) => readSetting(tx, 'row'))).toBe(null)
  await expectWhole(store)
})

describe('a failover to a standby', () => {
  it('is survived by the process that was there before: it reads meanwhile, and writes once it is promoted (25006)', async () => {
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
      expect(await busyStates(client)).toEqual([])
      await client.end()
    } finally {
      for (const one of opened.splice(0)) await one.close()
      own.stop()
    }
  })
})
