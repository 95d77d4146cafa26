import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DAY, MINUTE } from '../../src/domain/instant.ts'
import { Database } from '../../src/trust/sqlite.ts'
import { makeWorld, pass, type World } from '../support/world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

/** Tables whose size goes with the number of boxes, of what they did, or of what was bought. */
const LARGE =
  /\b(instances|demands|events|licenses|reservations|reserved_licenses|reported_\w+|audit|mails|webhook_deliveries)\b/

/** How SQLite goes about each statement that was run meanwhile, where that is by reading a large table from end to end. */
async function scans(work: () => Promise<void>): Promise<string[]> {
  const file = join(world.directory, 'authority', 'authority.db')
  const seen = new Set<string>()
  const prepare = Reflect.get(Database.prototype, 'prepare') as (text: string) => never
  vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: { name: string }, text: string) {
    // The agent keeps its facts in a database of its own.
    if (this.name === file) seen.add(text)
    return Reflect.apply(prepare, this, [text])
  })
  await work()
  vi.restoreAllMocks()
  const database = new Database(file, { readonly: true })
  try {
    expect(seen.size).toBeGreaterThan(20)
    return [...seen]
      .filter((text) => /^\s*(select|update|delete|with|insert)/i.test(text))
      .flatMap((text) => {
        const statement = database.prepare<unknown[], { detail: string }>(`explain query plan ${text}`)
        const some = Array.from({ length: text.split('?').length - 1 }, () => 1)
        return statement
          .all(...some)
          .filter(({ detail }) => detail.startsWith('SCAN') && LARGE.test(detail))
          .map(({ detail }) => `${detail}: ${text.replaceAll(/\s+/g, ' ')}`)
      })
  } finally {
    database.close()
  }
}

test('what an exchange costs does not grow with the boxes there are: no statement of it reads a large table from end to end', async () => {
  const { authority } = world
  await authority.order({ tag: 'HOST', quantity: 5 })
  await authority.order({ tag: 'HOST', quantity: 5, termDays: 300 })
  const found = await scans(async () => {
    const agent = await world.open()
    agent.report('HOST', 2)
    await agent.register(await world.token())
    await pass(world, agent, 31 * DAY)
    await pass(world, agent, 200 * DAY)
    agent.report('HOST', 20)
    await pass(world, agent, 2 * MINUTE)
    await agent.deregister()
  })
  expect(found).toEqual([])
})
