import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { Database } from '../support/sqlite.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

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
