import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import {
  recomputeCompliance,
  adjustUsage,
  createComplianceEvent,
  sumHoldings,
  setInstanceUsage,
  saveInstanceUsage,
} from '../../src/authority/inventory/pools.ts'
import { AuthorityStore, type Tx } from '../../src/authority/store/store.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

const DAY = 86_400_000

let world: TestEnvironment
let store: AuthorityStore
let device: SmartAgent
let instance: { id: string; virtualAccountId: string }
beforeEach(async () => {
  world = await createTestEnvironment()
  await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
  device = await world.open('device')
  await device.register(await world.token())
  store = await AuthorityStore.open(join(world.directory, 'authority'))
  const row = await inTransaction((tx) =>
    tx.selectFrom('instances').select(['id', 'virtual_account_id']).executeTakeFirstOrThrow(),
  )
  instance = { id: row.id, virtualAccountId: row.virtual_account_id }
})
afterEach(async () => {
  await store.close()
  await world.close()
})

const inTransaction = <T>(work: (tx: Tx) => Promise<T>) => store.transaction(work)
const now = () => world.clock.wall()
const use = (...wanted: [string, number][]) =>
  inTransaction((tx) =>
    setInstanceUsage(
      tx,
      instance,
      wanted.map(([tag, count]) => ({ tag, count })),
      now(),
    ),
  )
const assess = (tag: string) =>
  inTransaction((tx) => recomputeCompliance(tx, instance.virtualAccountId, tag, now()))
const usageRows = () =>
  inTransaction((tx) => tx.selectFrom('instance_usage').select(['tag', 'count']).orderBy('tag').execute())
const inUse = async (tag: string) => (await assess(tag)).inUse
/** Marks the instance as reported, and returns whether the work marked it as changed again. */
const isMarkedChangedBy = async (work: () => Promise<unknown>) => {
  await inTransaction((tx) => tx.updateTable('instances').set({ revision: -1 }).execute())
  await work()
  const [row] = await inTransaction((tx) => tx.selectFrom('instances').select('revision').execute())
  return row?.revision !== -1
}
const listComplianceEvents = async () =>
  (await world.authority.operations.events.list())
    .filter(({ type }) => type === 'INSUFFICIENT_LICENSES' || type === 'LICENSES_SUFFICIENT')
    .map(({ type, severity, message, virtualAccount }) => [type, severity, message, virtualAccount])

describe('the usage of an instance', () => {
  it('replaces the previous usage tag by tag, and updates the pools (R-ACC-4)', async () => {
    await use(['HOST', 2], ['MDC-SMALL', 1])
    expect(await usageRows()).toEqual([
      { tag: 'HOST', count: 2 },
      { tag: 'MDC-SMALL', count: 1 },
    ])
    await use(['HOST', 4], ['SYS-XL', 1])
    expect(await usageRows()).toEqual([
      { tag: 'HOST', count: 4 },
      { tag: 'SYS-XL', count: 1 },
    ])
    expect([await inUse('HOST'), await inUse('MDC-SMALL'), await inUse('SYS-XL')]).toEqual([4, 0, 1])
    await use()
    expect(await usageRows()).toEqual([])
    expect([await inUse('HOST'), await inUse('SYS-XL')]).toEqual([0, 0])
  })

  it('adds up repeated tags and drops counts of 0', async () => {
    await use(['HOST', 2], ['SYS-XL', 0], ['HOST', 1])
    expect(await usageRows()).toEqual([{ tag: 'HOST', count: 3 }])
    expect(await inTransaction((tx) => tx.selectFrom('pools').select('tag').execute())).toEqual([
      { tag: 'HOST' },
    ])
  })

  it('marks the instance as changed only when a count changed', async () => {
    await use(['HOST', 2], ['SYS-XL', 1])
    expect(await isMarkedChangedBy(() => use(['SYS-XL', 1], ['HOST', 2]))).toBe(false)
    expect(await isMarkedChangedBy(() => use(['SYS-XL', 1], ['HOST', 2], ['MDC-SMALL', 0]))).toBe(false)
    expect(await isMarkedChangedBy(() => use(['SYS-XL', 1], ['HOST', 3]))).toBe(true)
    expect(await isMarkedChangedBy(() => use(['SYS-XL', 1]))).toBe(true)
    expect(await isMarkedChangedBy(() => use(['HOST', 1]))).toBe(true)
  })

  it('deletes rows with a count of 0 when saved in bulk', async () => {
    const write = (...tags: [string, number][]) =>
      inTransaction((tx) => saveInstanceUsage(tx, new Map([[instance.id, new Map(tags)]])))
    await write(['HOST', 2], ['SYS-XL', 1])
    await write(['HOST', 0], ['MDC-SMALL', 0], ['SYS-XL', 3])
    expect(await usageRows()).toEqual([{ tag: 'SYS-XL', count: 3 }])
    await write(['SYS-XL', 0])
    expect(await usageRows()).toEqual([])
  })
})

describe('the compliance of a pool', () => {
  it('creates an event at each change, and only then (R-AUTH-2)', async () => {
    await use(['HOST', 5])
    expect(await assess('HOST')).toEqual({ tag: 'HOST', owned: 5, inUse: 5, reserved: 0, compliant: true })
    expect(await listComplianceEvents()).toEqual([])
    await use(['HOST', 7])
    const short = ['INSUFFICIENT_LICENSES', 'major', 'HOST: 7 in use, 5 owned.', 'Default']
    expect(await listComplianceEvents()).toEqual([short])
    await assess('HOST')
    await use(['HOST', 8])
    expect(await listComplianceEvents()).toEqual([short])
    await world.authority.orders.create({ tag: 'HOST', quantity: 3 })
    const enough = ['LICENSES_SUFFICIENT', 'info', 'HOST: 8 in use, 8 owned.', 'Default']
    expect(await listComplianceEvents()).toEqual([short, enough])
    await assess('HOST')
    expect(await listComplianceEvents()).toEqual([short, enough])
    expect(
      await inTransaction((tx) => tx.selectFrom('pools').select(['in_use', 'out_of_compliance']).execute()),
    ).toEqual([{ in_use: 8, out_of_compliance: 0 }])
  })

  it('creates no pool for a tag that is not in use', async () => {
    expect(await assess('SYS-XL')).toEqual({
      tag: 'SYS-XL',
      owned: 0,
      inUse: 0,
      reserved: 0,
      compliant: true,
    })
    expect(await inTransaction((tx) => tx.selectFrom('pools').select('tag').execute())).toEqual([])
  })

  it('names reserved licenses and the virtual account in its event, if any', async () => {
    const pool = { tag: 'HOST', owned: 5, inUse: 4, reserved: 2, compliant: false }
    const entry = (virtualAccountId: string) =>
      inTransaction((tx) => createComplianceEvent(tx, virtualAccountId, pool, now()))
    const [account] = await inTransaction((tx) => tx.selectFrom('accounts').select('id').execute())
    expect(await entry(instance.virtualAccountId)).toEqual({
      at: now(),
      type: 'INSUFFICIENT_LICENSES',
      severity: 'major',
      accountId: account?.id,
      virtualAccount: 'Default',
      message: 'HOST: 4 in use, 2 reserved, 5 owned.',
    })
    expect(await entry('none')).toMatchObject({ accountId: null, virtualAccount: null })
  })

  it('counts the reservations of a satellite until the end of each part', async () => {
    await world.authority.satellites.add('branch', { virtualAccount: 'Branch' })
    await inTransaction(async (tx) => {
      const { id } = await tx.selectFrom('satellites').select('id').executeTakeFirstOrThrow()
      const part = { satellite_id: id, instance_id: 'device', virtual_account_id: instance.virtualAccountId }
      await tx
        .insertInto('reported_reserved')
        .values([
          { ...part, tag: 'HOST', count: 2, ends_at: null },
          { ...part, tag: 'HOST', count: 3, ends_at: now() + DAY },
          { ...part, tag: 'SYS-XL', count: 9, ends_at: null },
        ])
        .execute()
    })
    const held = await inTransaction((tx) => sumHoldings(tx, instance.virtualAccountId, 'HOST'))
    expect([held(now()), held(now() + DAY - 1), held(now() + DAY)]).toEqual([5, 5, 2])
    const none = await inTransaction((tx) => sumHoldings(tx, instance.virtualAccountId, 'MDC-SMALL'))
    expect(none(now())).toBe(0)
    await inTransaction((tx) => adjustUsage(tx, instance.virtualAccountId, 'HOST', 1, now()))
    expect((await listComplianceEvents())[0]?.[2]).toBe('HOST: 1 in use, 5 reserved, 5 owned.')
  })
})
