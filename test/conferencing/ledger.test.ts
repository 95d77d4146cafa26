import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HostCountRepository, HostLedger, HOSTS_SCHEMA } from '../../src/conferencing/host-ledger.ts'
import { Database } from '../support/sqlite.ts'

type Counts = Parameters<HostCountRepository['write']>[0]

let database: InstanceType<typeof Database>
let kept: { counts: Counts | null; writes: number }
let ledger: HostLedger
/** Opens the ledger as a new process would. */
const again = () =>
  new HostLedger(database, {
    read: () => kept.counts,
    write: (counts) => {
      kept = { counts, writes: kept.writes + 1 }
    },
  })
beforeEach(() => {
  database = new Database(':memory:')
  database.exec(HOSTS_SCHEMA)
  kept = { counts: null, writes: 0 }
  ledger = again()
})
afterEach(() => {
  database.close()
})

const counted = (permanent: number, demo: number) => ({ assigned: permanent + demo, permanent, demo })
/** Returns the counts of the ledger, and those of a newly opened one. */
const both = () => {
  ledger.flush()
  return [ledger.counts(), again().counts()]
}

describe('the counts of the host ledger', () => {
  it('R-HOST-1 include each assigned license as permanent or demo', () => {
    ledger.assign('ann', 'manual', 1, false)
    expect(both()).toEqual([counted(0, 1), counted(0, 1)])
    ledger.assign('bob', 'hosting', 2, true)
    expect(both()).toEqual([counted(1, 1), counted(1, 1)])
    expect([ledger.find('ann')?.license, ledger.find('bob')?.license]).toEqual(['demo', 'permanent'])
  })

  it('R-HOST-3 exclude each released license', () => {
    ledger.assign('ann', 'manual', 1, false)
    ledger.assign('bob', 'manual', 2, true)
    both()
    ledger.deactivate('ann')
    expect(both()).toEqual([counted(1, 0), counted(1, 0)])
    ledger.deactivate('bob')
    expect(both()).toEqual([counted(0, 0), counted(0, 0)])
  })

  it('R-EVAL-5 change when demo licenses become permanent', () => {
    ledger.assign('ann', 'manual', 1, false)
    both()
    ledger.makePermanent()
    expect(both()).toEqual([counted(1, 0), counted(1, 0)])
    expect(again().find('ann')).toMatchObject({ license: 'permanent' })
    ledger.assign('bob', 'manual', 2, false)
    expect(both()).toEqual([counted(1, 1), counted(1, 1)])
    ledger.deactivate('ann')
    expect(both()).toEqual([counted(0, 1), counted(0, 1)])
  })

  it('R-HOST-10 are 0 when all licenses are released', () => {
    ledger.assign('ann', 'manual', 1, false)
    ledger.assign('bob', 'manual', 2, true)
    both()
    expect(ledger.releaseAll()).toBe(2)
    expect(both()).toEqual([counted(0, 0), counted(0, 0)])
    expect(again().list({ after: '', limit: 10, all: false })).toEqual([])
  })

  it('are written once after a change, and not without one', () => {
    ledger.flush()
    expect(kept.writes).toBe(0)
    ledger.assign('ann', 'manual', 1, false)
    ledger.flush()
    ledger.flush()
    ledger.assign('ann', 'hosting', 2, false)
    ledger.setAttendeeOnly('guest', true)
    ledger.flush()
    expect(kept.writes).toBe(1)
    ledger.makePermanent()
    ledger.flush()
    ledger.makePermanent()
    ledger.flush()
    expect(kept.writes).toBe(2)
  })

  it('are reloaded from disk after a rollback', () => {
    ledger.assign('ann', 'manual', 1, false)
    ledger.flush()
    ledger.assign('bob', 'manual', 2, false)
    ledger.reload()
    expect(ledger.counts()).toEqual(counted(0, 1))
    ledger.flush()
    expect(kept.writes).toBe(1)
  })
})
