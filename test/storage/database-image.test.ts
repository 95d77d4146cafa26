import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDatabaseImage } from '../../src/storage/database-image.ts'
import { openDatabase, openDatabaseImage } from '../../src/storage/sqlite.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
  path = join(directory, 'a.db')
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

type Database = Awaited<ReturnType<typeof openDatabase>>

async function openLocked(): Promise<Database> {
  const db = await openDatabase(path, { timeout: 0 })
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.exec('create table rows (id integer primary key, text text)')
  return db
}

const readRows = (db: Database) => db.prepare('select * from rows order by id').all()

/** Returns the rows of the image of the current files. Null for a database without the table. */
async function readImageRows(): Promise<unknown[] | null> {
  const image = readDatabaseImage(path)
  if (image === null) throw new Error('the files changed')
  const db = await openDatabaseImage(image)
  try {
    const isEmpty = db.prepare("select 1 from sqlite_master where name = 'rows'").get() === undefined
    return isEmpty ? null : readRows(db)
  } finally {
    db.close()
  }
}

const insertRows = (db: Database, count: number) => {
  const insert = db.prepare('insert into rows (text) values (?)')
  db.transaction(() => {
    for (let i = 0; i < count; i++) insert.run('x'.repeat(700))
  })()
}

describe('the image of a locked database', () => {
  it('has the rows of the last commit, before and after a checkpoint', async () => {
    const db = await openLocked()
    try {
      for (let round = 0; round < 12; round++) {
        insertRows(db, 40)
        db.prepare('delete from rows where id % 7 = ?').run(round % 7)
        if (round % 4 === 3) db.pragma('wal_checkpoint(PASSIVE)')
        if (round === 6) db.exec('vacuum')
        expect(await readImageRows()).toEqual(readRows(db))
      }
      expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
    } finally {
      db.close()
    }
    // Without a write-ahead log.
    const closed = await openDatabase(path, {})
    const rows = readRows(closed)
    closed.close()
    expect(await readImageRows()).toEqual(rows)
  })

  it('leaves out a transaction that is not committed', async () => {
    const db = await openLocked()
    try {
      insertRows(db, 10)
      const before = readRows(db)
      // A small cache writes pages to the log before the commit.
      db.pragma('cache_size = 2')
      const size = statSync(`${path}-wal`).size
      db.exec('begin')
      insertRows(db, 400)
      expect(statSync(`${path}-wal`).size).toBeGreaterThan(size)
      expect(await readImageRows()).toEqual(before)
      db.exec('rollback')
      expect(await readImageRows()).toEqual(before)
    } finally {
      db.close()
    }
  })

  it('has a whole commit for each length to which a crash truncates the log, as SQLite reads it', async () => {
    const db = await openLocked()
    insertRows(db, 6)
    insertRows(db, 6)
    const [database, wal] = [readFileSync(path), readFileSync(`${path}-wal`)]
    db.close()
    const counts = new Set<number>()
    for (let length = 0; length < wal.length + 509; length += 509) {
      writeFileSync(path, database)
      writeFileSync(`${path}-wal`, wal.subarray(0, length))
      // Bytes of an older log follow.
      appendFileSync(`${path}-wal`, Buffer.alloc(5000, 7))
      const rows = await readImageRows()
      const recovered = await openDatabase(path, {})
      const table = recovered.prepare("select 1 from sqlite_master where name = 'rows'").get()
      expect(rows).toEqual(table === undefined ? null : readRows(recovered))
      recovered.close()
      counts.add(rows?.length ?? -1)
    }
    expect(counts).toEqual(new Set([-1, 0, 6, 12]))
  })
})
