import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DAY, MINUTE } from '../../src/core/time.ts'
import { Database } from '../../src/storage/sqlite.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
/** Each statement that was prepared, by its database. */
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

/** Tables whose size goes with the number of boxes, of what they did, or of what was bought. */
const LARGE =
  /\b(instances|instance_usage|events|licenses|reservations|reserved_licenses|reported_\w+|audit|mails|webhook_deliveries)\b/

/** Of one of them what is never much: a mail that waits gives way to the next about the same. */
const SMALL = /USING INDEX unsent_mails\b/

/**
 * How SQLite goes about the authority's statements, where that is by reading a large table from end to end, and what it plans
 * anew at each execution, since a value is bound that decides whether an index that is limited by it can be used.
 */
function costly(): string[] {
  vi.restoreAllMocks()
  const file = join(world.directory, 'authority', 'authority.db')
  const seen = [...(prepared.get(file) ?? [])]
  const database = new Database(file, { readonly: true })
  try {
    expect(seen.length).toBeGreaterThan(20)
    return seen
      .filter((text) => /^\s*(select|update|delete|with|insert)/i.test(text))
      .flatMap((text) => {
        const conditions = text.replace(/\bset\b.*?\bwhere\b/s, '')
        if (/"(status|dead)" (=|<>) \?/.test(conditions)) return [`PLANNED ANEW: ${text}`]
        const statement = database.prepare<unknown[], { detail: string }>(`explain query plan ${text}`)
        const some = Array.from({ length: text.split('?').length - 1 }, () => 1)
        return statement
          .all(...some)
          .filter(({ detail }) => detail.startsWith('SCAN') && LARGE.test(detail) && !SMALL.test(detail))
          .map(({ detail }) => `${detail}: ${text.replaceAll(/\s+/g, ' ')}`)
      })
  } finally {
    database.close()
  }
}

test('what an exchange costs does not grow with the boxes there are: no statement of it reads a large table from end to end, or is planned anew', async () => {
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
  expect(costly()).toEqual([])
})
