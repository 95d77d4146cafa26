import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { PowerLossError, SimulatedDisk } from '../../tools/simulator/disk.ts'
import { Database } from '../support/sqlite.ts'

let disks: SimulatedDisk[] = []
afterEach(() => {
  for (const disk of disks) disk.remove()
  disks = []
})
const newDisk = () => {
  const disk = new SimulatedDisk('test')
  disks.push(disk)
  return disk
}
const after = (disk: SimulatedDisk, seed: number) => {
  const next = disk.copyAfterPowerLoss(new SeededRandom(seed))
  disks.push(next)
  return next
}
const sync = (path: string) => {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
const contentOf = (disk: SimulatedDisk, name: string) => {
  const path = join(disk.directory, name)
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

/** Returns the possible contents of a file after a power loss, from 60 seeds. */
const outcomes = (prepare: (disk: SimulatedDisk) => void, name = 'file') =>
  new Set(
    Array.from({ length: 60 }, (_, seed) => {
      const disk = newDisk()
      prepare(disk)
      return contentOf(after(disk, seed), name)
    }),
  )

describe('SimulatedDisk', () => {
  it('keeps a synced file in a synced directory', () => {
    const kept = outcomes((disk) => {
      const descriptor = openSync(join(disk.directory, 'file.new'), 'w')
      writeFileSync(descriptor, 'whole')
      fsyncSync(descriptor)
      closeSync(descriptor)
      renameSync(join(disk.directory, 'file.new'), join(disk.directory, 'file'))
      sync(disk.directory)
    })
    expect([...kept]).toEqual(['whole'])
  })

  it('may lose unsynced data, or keep a part of it', () => {
    const kept = outcomes((disk) => {
      writeFileSync(join(disk.directory, 'file'), 'whole')
    })
    expect(kept).toContain('whole')
    expect(kept).toContain(null)
    expect([...kept].some((text) => text !== null && text !== 'whole' && 'whole'.startsWith(text))).toBe(true)
  })

  it('may restore the previous file after a rename until the directory is synced', () => {
    const kept = outcomes((disk) => {
      for (const text of ['before', 'after']) {
        const descriptor = openSync(join(disk.directory, 'file.new'), 'w')
        writeFileSync(descriptor, text)
        fsyncSync(descriptor)
        closeSync(descriptor)
        renameSync(join(disk.directory, 'file.new'), join(disk.directory, 'file'))
        if (text === 'before') sync(disk.directory)
      }
    })
    expect(kept).toEqual(new Set(['before', 'after']))
  })

  const rows = (synchronous: string) => (disk: SimulatedDisk) => {
    const database = new Database(join(disk.directory, 'some.db'))
    database.pragma('journal_mode = WAL')
    database.pragma(`synchronous = ${synchronous}`)
    database.exec('create table rows (number integer)')
    for (let number = 0; number < 5; number++) database.prepare('insert into rows values (?)').run(number)
  }
  const counts = (synchronous: string) =>
    new Set(
      Array.from({ length: 40 }, (_, seed) => {
        const disk = newDisk()
        rows(synchronous)(disk)
        const database = new Database(join(after(disk, seed).directory, 'some.db'))
        try {
          return database.prepare<[], { count: number }>('select count(*) as count from rows').get()?.count
        } catch {
          return null
        } finally {
          database.close()
        }
      }),
    )

  it('keeps all transactions of a database with synchronous = FULL, and may lose the newest with NORMAL', () => {
    expect([...counts('FULL')]).toEqual([5])
    expect(counts('NORMAL').size).toBeGreaterThan(2)
  })

  it('fails at the scheduled write and refuses every later operation', () => {
    const disk = newDisk()
    const path = (name: string) => join(disk.directory, name)
    const database = new Database(path('some.db'))
    database.exec('create table rows (number integer)')
    let cut = 0
    disk.schedulePowerLoss(2, () => cut++)
    database.prepare('insert into rows values (1)').run()
    expect(() => database.prepare('insert into rows values (2)').run()).toThrow(PowerLossError)
    expect(() => database.prepare('select * from rows').all()).toThrow(PowerLossError)
    expect(() => {
      writeFileSync(path('file'), 'late')
    }).toThrow(PowerLossError)
    expect(cut).toBe(1)
    expect(existsSync(path('file'))).toBe(false)
  })

  it('fails with SQLITE_FULL and ENOSPC while it is full', () => {
    const disk = newDisk()
    const database = new Database(join(disk.directory, 'some.db'))
    database.exec('create table rows (number integer)')
    disk.full = true
    const insert = database.transaction(() => database.prepare('insert into rows values (1)').run())
    expect(() => insert.immediate()).toThrow(expect.objectContaining({ code: 'SQLITE_FULL' }))
    expect(() => {
      writeFileSync(join(disk.directory, 'file'), 'more')
    }).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    disk.full = false
    insert.immediate()
    expect(database.prepare('select * from rows').all()).toHaveLength(1)
  })
})
