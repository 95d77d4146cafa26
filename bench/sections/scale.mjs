// Measures exchanges of an authority with many instances, with a large pool, and with a pool of many orders.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { loadDatabase } from '../../dist/src/storage/sqlite.js'
import { newAuthority, start, stop } from '../servers.mjs'
import { perSecond } from '../table.mjs'
import { load } from './authority.mjs'

const Database = await loadDatabase()

/** Inserts product instances directly into the tables, because only later exchanges are measured. */
function fill(dataDir, number) {
  const database = new Database(join(dataDir, 'authority.db'))
  database.pragma('synchronous = OFF')
  const { id: account } = database.prepare('select id from accounts').get()
  const { id: virtualAccount } = database.prepare('select id from virtual_accounts').get()
  const columns = {
    account_id: account,
    virtual_account_id: virtualAccount,
    pid: 'CWMS-K9',
    version: '4.0',
    hostname: 'host.branch.example',
    status: 'active',
    export_controlled: 0,
    public_key: '',
    token_id: '',
    certificates: '[]',
    registered_at: Date.now(),
    last_contact_at: Date.now(),
    expires_at: Date.now() + 365 * 86_400_000,
    sequence: 1,
    revision: 2,
  }
  const names = [...Object.keys(columns), 'id', 'serial', 'thumbprint', 'registered_key']
  const insert = database.prepare(
    `insert into instances (${names.join(', ')}) values (${names.map((name) => `@${name}`).join(', ')})`,
  )
  const insertUsage = database.prepare('insert into instance_usage values (?, ?, 1)')
  database.transaction(() => {
    for (let i = 0; i < number; i++) {
      const id = randomUUID()
      insert.run({
        ...columns,
        id,
        serial: `SN-${i}`,
        thumbprint: randomUUID(),
        registered_key: randomUUID(),
      })
      insertUsage.run(id, 'HOST')
    }
    const pool = database.prepare(`update pools set in_use = in_use + ? where tag = 'HOST'`).run(number)
    if (pool.changes === 0)
      database.prepare(`insert into pools values (?, 'HOST', ?, 0)`).run(virtualAccount, number)
  })()
  database.close()
}

export async function scale(row, directory) {
  const rateOf = async (name, { instances = 0, ...pool }) => {
    const facts = await newAuthority(directory, pool)
    if (instances > 0) fill(facts.dataDir, instances)
    const server = await start('authority', facts)
    const { authorized } = await load(name, [server], facts, { newDevices: 1000, seconds: 5 })
    await stop(server)
    return authorized.rate
  }
  /** Compares the best of two rounds, measured in turns, because other load can only slow a round down. */
  const compare = async (what, large, floorName, small, aim) => {
    const rates = { large: 0, small: 0 }
    for (let round = 0; round < 2; round++) {
      rates.small = Math.max(rates.small, await rateOf('SMALL', small))
      rates.large = Math.max(rates.large, await rateOf('LARGE', large))
    }
    row(
      what,
      perSecond(rates.large),
      `${perSecond(rates.small)} ${floorName}`,
      rates.small / rates.large,
      aim,
    )
  }
  await compare(
    'authorizations with 1,000,000 instances',
    { quantity: 2_000_000, instances: 1_000_000 },
    'with 1,000',
    { quantity: 2_000_000 },
    'under 1.3',
  )
  await compare(
    'authorizations of a pool of 20,000',
    { quantity: 20_000 },
    'of a pool of 200',
    { quantity: 200 },
    'about 1',
  )
  await compare(
    'authorizations of a pool of 20,000, from 500 orders',
    { quantity: 20_000, orders: 500 },
    'from one order',
    { quantity: 20_000 },
    'about 1',
  )
}
