// Synchronizes a satellite that has COUNT product instances with its manager, and prints one line of JSON. Runs in its own
// process, so that its memory can be measured.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority } from '../dist/src/authority/index.js'
import { loadDatabase } from '../dist/src/storage/sqlite.js'

const Database = await loadDatabase()

const [count = '1000'] = process.argv.slice(2)
const number = Number(count)
const directory = mkdtempSync(join(tmpdir(), 'sla-bench-satellite-'))
const dir = (name) => join(directory, name)
const base = { account: 'acme.example', acceptAgreement: true }

const timed = async (work) => {
  const start = performance.now()
  const result = await work()
  return [result, performance.now() - start]
}

/** Inserts product instances directly into the satellite's tables, because only their synchronization is measured. */
function fill() {
  const database = new Database(join(dir('satellite'), 'authority.db'))
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
    thumbprint: '',
    public_key: '',
    registered_key: '',
    token_id: '',
    certificates: '[]',
    registered_at: Date.now(),
    last_contact_at: Date.now(),
    expires_at: Date.now() + 365 * 86_400_000,
    sequence: 1,
    revision: 2,
  }
  const names = [...Object.keys(columns), 'id', 'serial']
  const insert = database.prepare(
    `insert into instances (${names.join(', ')}) values (${names.map((name) => `@${name}`).join(', ')})`,
  )
  const insertUsage = database.prepare('insert into instance_usage values (?, ?, 1)')
  database.transaction(() => {
    for (let i = 0; i < number; i++) {
      const id = randomUUID()
      insert.run({ ...columns, id, serial: `SN-${i}` })
      insertUsage.run(id, 'HOST')
    }
    database.prepare(`insert into pools values (?, 'HOST', ?, 0)`).run(virtualAccount, number)
  })()
  database.close()
}

/** Changes some product instances and their revision, as the satellite itself would. */
function change(count) {
  const database = new Database(join(dir('satellite'), 'authority.db'))
  const { value } = database.prepare(`select value from settings where name = 'sync-sequence'`).get()
  database
    .prepare(`update instances set revision = ?, version = '4.1' where rowid <= ?`)
    .run(Number(value) + 1, count)
  database.close()
}

const exchange = async (manager, satellite) => {
  const [exported, writing] = await timed(() => satellite.sync.export())
  const [responded, answering] = await timed(() => manager.satellites.respond(exported.file))
  const [, taking] = await timed(() => satellite.sync.import(responded.file, 'skip-verification'))
  return {
    bytes: exported.file.length,
    answer: responded.file.length,
    ms: writing + answering + taking,
    writing,
    answering,
    taking,
  }
}

try {
  await Authority.init({ dataDir: dir('manager'), ...base })
  const manager = await Authority.open({ dataDir: dir('manager') })
  await manager.satellites.add('branch', { virtualAccount: 'Branch' })
  await manager.orders.create({ tag: 'HOST', quantity: number, virtualAccount: 'Branch' })
  await Authority.init({ dataDir: dir('satellite'), ...base, satellite: { name: 'branch' } })
  const satellite = await Authority.open({ dataDir: dir('satellite') })
  await exchange(manager, satellite)
  const before = process.resourceUsage().maxRSS * 1024
  fill()
  const full = await exchange(manager, satellite)
  const memory = process.resourceUsage().maxRSS * 1024 - before
  change(10)
  const delta = await exchange(manager, satellite)
  const empty = await exchange(manager, satellite)
  console.log(JSON.stringify({ number, full, delta, empty, memory }))
  await manager.close()
  await satellite.close()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
