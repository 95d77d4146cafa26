import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Authority } from '../../src/authority/index.ts'
import { AuthorityStore } from '../../src/authority/store/store.ts'
import { DAY } from '../../src/core/time.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createHelloRequest } from '../support/hello.ts'

let world: TestEnvironment
let authority: Authority
beforeEach(async () => {
  world = await createTestEnvironment()
  authority = world.authority
  await authority.orders.create({ tag: 'HOST', quantity: 5 })
  await (await world.open()).register(await world.token())
})
afterEach(() => world.close())

const hello = createHelloRequest()

/** One read of each kind. Each is run once beforehand, to complete any write that it requires. */
const reads = {
  metrics: () => authority.operations.stats.collect(),
  hello: () => authority.operations.endpoint.identify(hello),
  accounts: () => authority.accounts.list(),
  'accounts with numeric ids': () => authority.accounts.listWithNumericIds(),
  'virtual accounts': () => authority.accounts.listVirtualAccounts(),
  orders: () => authority.orders.list(),
  licenses: () => authority.licenses.list(),
  tokens: () => authority.tokens.list(),
  'product instances': () => authority.instances.list(),
  reservations: () => authority.reservations.list(),
  events: () => authority.operations.events.list(),
  alerts: () => authority.operations.alerts.list(),
  reports: () => authority.operations.reports.create('usage'),
}

/** Runs work while another store has a write transaction open. */
async function duringWrite<T>(work: () => Promise<T>): Promise<T> {
  const other = await AuthorityStore.open(join(world.directory, 'authority'))
  let done = (): void => undefined
  const until = new Promise<void>((resolve) => (done = resolve))
  let begin = (): void => undefined
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const writing = other.transaction(async (tx) => {
    await tx.updateTable('accounts').set({ agreement_at: 7 }).execute()
    begin()
    await until
  })
  try {
    await begun
    return await work()
  } finally {
    done()
    await writing
    await other.close()
  }
}

describe('a read', () => {
  it('does not wait for a write transaction of another process', async () => {
    for (const read of Object.values(reads)) await read()
    const seen = await duringWrite(async () => {
      const answered: string[] = []
      for (const [name, read] of Object.entries(reads)) {
        await read()
        answered.push(name)
      }
      return answered
    })
    expect(seen).toEqual(Object.keys(reads))
  })

  it('runs time-driven maintenance first and sees its result', async () => {
    expect(await authority.instances.list()).toHaveLength(1)
    world.clock.advance(366 * DAY)
    expect(await authority.instances.list()).toEqual([])
    expect((await authority.operations.events.list()).map(({ type }) => type)).toContain('INSTANCE_EXPIRED')
  })

  it('signs with the certificates that another process has just rotated', async () => {
    const before = JSON.stringify(await authority.operations.endpoint.identify(hello))
    const { Authority: Other } = await import('../../src/authority/index.ts')
    const other = await Other.open({ dataDir: join(world.directory, 'authority'), clock: world.clock })
    await other.security.trust.rotateIssuingCa()
    const theirs = await other.operations.endpoint.identify(hello)
    await other.close()
    const issuer = (sealed: object): string => {
      const header = JSON.parse(
        Buffer.from((sealed as { protected: string }).protected, 'base64url').toString(),
      ) as { x5c: string[] }
      return String(header.x5c[1])
    }
    const ours = await authority.operations.endpoint.identify(hello)
    expect(issuer(ours)).toBe(issuer(theirs))
    expect(issuer(ours)).not.toBe(issuer(JSON.parse(before) as object))
  })
})
