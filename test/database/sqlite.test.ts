import { copyFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { AuthorityStore, withSavepoint, writeSetting } from '../../src/authority/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { Database } from '../support/sqlite.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  await world.close()
})

test('an order waits for the write lock of another process without blocking the event loop', async () => {
  const other = new Database(join(world.directory, 'authority', 'authority.db'))
  other.exec('begin immediate')
  let done = false
  const order = world.authority.orders.create({ tag: 'HOST', quantity: 3 }).then(() => {
    done = true
  })
  const begun = performance.now()
  for (let i = 0; i < 5; i++) await sleep(10)
  // SQLite's busy timeout would have blocked the event loop for ten seconds.
  expect(performance.now() - begun).toBeLessThan(5000)
  expect(done).toBe(false)
  other.exec('commit')
  other.close()
  await order
})

test('two authorities of one data directory in one process do not block each other', async () => {
  const { clock, directory } = world
  const other = await Authority.open({ dataDir: join(directory, 'authority'), clock })
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 === 0 ? world.authority : other).orders.create({ tag: 'HOST', quantity: 1 }),
    ),
  )
  expect(performance.now() - begun).toBeLessThan(9000)
  await other.close()
  expect(await world.authority.licenses.list()).toMatchObject([{ tag: 'HOST', quantity: 40 }])
})

test('readiness tries a write, does not wait for one that hangs, and comes back with the lock', async () => {
  const { server } = world.authority.operations
  const other = new Database(join(world.directory, 'authority', 'authority.db'))
  other.exec('begin immediate')
  const askedAt = performance.now()
  expect(await server.notReadyReasons()).toEqual(['database'])
  // The write itself gives up after ten seconds.
  expect(performance.now() - askedAt).toBeLessThan(8000)
  const begun = performance.now()
  expect(await Promise.all(Array.from({ length: 20 }, () => server.notReadyReasons()))).toEqual(
    Array.from({ length: 20 }, () => ['database']),
  )
  expect(performance.now() - begun).toBeLessThan(1000)
  other.exec('commit')
  other.close()
  await eventually(async () => {
    expect(await server.notReadyReasons()).toEqual([])
  })
})

test.each([
  ['a database file that was replaced by a copy', 'authority.db'],
  ['a write-ahead log that was removed', 'authority.db-wal'],
])('%s ends the work with STORE_REPLACED, and the server is not ready', async (_, name) => {
  const { authority, directory } = world
  const path = join(directory, 'authority', name)
  await authority.orders.create({ tag: 'HOST', quantity: 3 })
  if (name.endsWith('.db')) {
    copyFileSync(path, `${path}.copy`)
    renameSync(`${path}.copy`, path)
  } else rmSync(path)
  expect(await getErrorCode(authority.orders.create({ tag: 'HOST', quantity: 3 }))).toBe('STORE_REPLACED')
  expect(await getErrorCode(authority.licenses.list())).toBe('STORE_REPLACED')
  expect(await authority.operations.server.notReadyReasons()).toEqual(['database'])
  expect(await authority.operations.server.storeReplaced).toMatchObject({ code: 'STORE_REPLACED' })
})

test('a disk that fills up within a savepoint is reported as STORE_FULL', async () => {
  const store = await AuthorityStore.open(join(world.directory, 'authority'))
  try {
    const write = store.transaction(async (tx) => {
      const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(tx)
      await sql`pragma max_page_count = ${sql.lit(rows[0]?.page_count ?? 0)}`.execute(tx)
      await withSavepoint(tx, () => writeSetting(tx, 'large', 'x'.repeat(1_000_000)))
    })
    expect(await getErrorCode(write)).toBe('STORE_FULL')
    expect(await getErrorCode(store.transaction((tx) => writeSetting(tx, 'small', 'x')))).toBe('no error')
  } finally {
    await store.close()
  }
})
