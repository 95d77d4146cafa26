import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DAY, MINUTE } from '../../src/core/time.ts'
import { Database } from '../support/sqlite.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
/** Prepared statements by database file. */
let prepared: Map<string, Set<string>>
beforeEach(async () => {
  prepared = new Map()
  const prepare = Reflect.get(Database.prototype, 'prepare') as (text: string) => never
  vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: { name: string }, text: string) {
    const seen = prepared.get(this.name) ?? new Set()
    prepared.set(this.name, seen.add(text))
    return Reflect.apply(prepare, this, [text])
  })
  world = await createTestEnvironment()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

/** Tables that grow with the number of devices, exchanges or orders. */
const LARGE =
  /\b(instances|instance_usage|events|licenses|reservations|reserved_licenses|reported_\w+|audit|mails|webhook_deliveries)\b/

/** An index of unsent mails, which are few: a new mail replaces an unsent one about the same subject. */
const SMALL = /USING INDEX unsent_mails\b/

/**
 * Returns the authority's statements that scan a large table, and those that SQLite plans again at each execution. The latter
 * bind a value that decides whether a partial index can be used.
 */
function listCostlyStatements(): string[] {
  vi.restoreAllMocks()
  const file = join(world.directory, 'authority', 'authority.db')
  const statements = [...(prepared.get(file) ?? [])]
  const database = new Database(file, { readonly: true })
  try {
    expect(statements.length).toBeGreaterThan(20)
    return statements
      .filter((text) => /^\s*(select|update|delete|with|insert)/i.test(text))
      .flatMap((text) => {
        const conditions = text.replace(/\bset\b.*?\bwhere\b/s, '')
        if (/"(status|dead)" (=|<>) \?/.test(conditions)) return [`PLANNED AGAIN: ${text}`]
        const statement = database.prepare<unknown[], { detail: string }>(`explain query plan ${text}`)
        const values = Array.from({ length: text.split('?').length - 1 }, () => 1)
        return statement
          .all(...values)
          .filter(({ detail }) => detail.startsWith('SCAN') && LARGE.test(detail) && !SMALL.test(detail))
          .map(({ detail }) => `${detail}: ${text.replaceAll(/\s+/g, ' ')}`)
      })
  } finally {
    database.close()
  }
}

test('no statement of an exchange scans a large table or is planned again, so its cost is independent of the number of devices', async () => {
  const { authority } = world
  await authority.orders.create({ tag: 'HOST', quantity: 5 })
  await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 300 })
  const agent = await world.open()
  agent.setUsage('HOST', 2)
  await agent.register(await world.token())
  await advance(world, agent, 31 * DAY)
  await advance(world, agent, 200 * DAY)
  agent.setUsage('HOST', 20)
  await advance(world, agent, 2 * MINUTE)
  await agent.deregister()
  expect(listCostlyStatements()).toEqual([])
})
