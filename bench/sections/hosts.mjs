// Measures the host ledger. The baseline is plain better-sqlite3 on the same disk.
import { join } from 'node:path'
import { SmartAgent } from '../../dist/src/index.js'
import { loadDatabase } from '../../dist/src/storage/sqlite.js'
import { perSecond } from '../table.mjs'

const Database = await loadDatabase()

/** Measures plain better-sqlite3 with `batchSize` rows per durable transaction. @returns rows per second */
function rawInserts(directory, count, batchSize) {
  const db = new Database(join(directory, `raw-${batchSize}-${count}.db`))
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('create table hosts (user text primary key, at integer) strict')
  const insert = db.prepare('insert into hosts values (?, ?)')
  const many = db.transaction((from) => {
    for (let i = from; i < from + batchSize; i++) insert.run(`user${i}@acme.example`, i)
  })
  const start = performance.now()
  for (let i = 0; i < count; i += batchSize) {
    if (batchSize === 1) insert.run(`user${i}@acme.example`, i)
    else many(i)
  }
  const perSecond = (count / (performance.now() - start)) * 1000
  db.close()
  return perSecond
}

export async function hosts(row, directory) {
  const agent = await SmartAgent.open({
    dataDir: join(directory, 'hosts'),
    product: { pid: 'BENCH', serial: '1', version: '1.0' },
    heartbeat: false,
  })
  let next = 0
  /** Assigns `count` hosts with `inFlight` concurrent calls, each durable before the next. @returns assignments per second */
  const assign = async (count, inFlight) => {
    const start = performance.now()
    const end = next + count
    const worker = async () => {
      while (next < end) await agent.module.hosts.assign(`user${next++}@acme.example`)
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
    return (count / (performance.now() - start)) * 1000
  }
  await assign(1000, 1)
  const rounds = 3
  const best = async (count, inFlight) => {
    let highest = 0
    for (let i = 0; i < rounds; i++) highest = Math.max(highest, await assign(count, inFlight))
    return highest
  }
  const raw = Math.max(
    rawInserts(directory, 1500, 1),
    rawInserts(directory, 1501, 1),
    rawInserts(directory, 1502, 1),
  )
  const single = await best(1500, 1)
  row(
    'assign, one at a time, on disk',
    perSecond(single),
    `${perSecond(raw)} raw insert, FULL`,
    single / raw,
    '0.7 or more',
  )
  const sixtyFour = await best(20_000, 64)
  row(
    'assign, 64 in flight',
    perSecond(sixtyFour),
    `${perSecond(single)} one at a time`,
    sixtyFour / single,
    '8 or more',
  )
  const rawHundred = Math.max(rawInserts(directory, 50_000, 100), rawInserts(directory, 50_100, 100))
  const many = await best(50_000, 256)
  row(
    'assign, 256 in flight',
    perSecond(many),
    `${perSecond(rawHundred)} raw, 100 per transaction`,
    many / rawHundred,
    '0.5 or more',
  )
  await assign(1_000_000 - next, 1000)
  const large = await best(1500, 1)
  row(
    'assign with 1,000,000 hosts',
    perSecond(large),
    `${perSecond(single)} with thousands`,
    single / large,
    'under 1.3',
  )
  await agent.close()
  const memory = process.memoryUsage().rss
  const start = performance.now()
  const again = await SmartAgent.open({ dataDir: join(directory, 'hosts'), heartbeat: false })
  const opened = performance.now() - start
  const { assigned } = again.status().hosts
  row(
    `opening a ledger of ${assigned.toLocaleString('en')} hosts`,
    `${opened.toFixed(0)} ms, ${((process.memoryUsage().rss - memory) / 1e6).toFixed(0)} MB`,
    '',
    opened,
    '',
  )
  await again.close()
}
