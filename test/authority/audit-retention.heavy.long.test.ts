import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MAX_DENIALS_PER_DAY, RETENTION } from '../../src/authority/audit/audit-log.ts'
import { verifyAuditExport } from '../../src/authority/audit/audit-service.ts'
import { appendToChain, type ChainPosition, GENESIS_POSITION } from '../../src/authority/audit/hash-chain.ts'
import { DAY } from '../../src/core/time.ts'
import { openStored, type Row, type StoredDatabase } from '../support/stored.ts'
import { itInRelease } from '../support/scale.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let database: StoredDatabase
beforeAll(async () => {
  world = await createTestEnvironment()
  database = await openStored(join(world.directory, 'authority'))
})
afterAll(async () => {
  await database.close()
  await world.close()
})

const entry = (i: number, who: string | null) => ({
  who,
  address: '192.0.2.7',
  action: 'token-create',
  subject: `number ${i}`,
  outcome: who === null ? 'SIGN_IN_FAILED' : 'done',
})

/** Appends entries after a chain position as the authority does, every tenth a denial, in batches. */
async function append(count: number, before: ChainPosition): Promise<ChainPosition> {
  const BATCH = 1000
  let last = before
  for (let from = 0; from < count; from += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => {
      const next = appendToChain({ at: world.clock.wall(), ...entry(i, i % 10 === 9 ? null : 'ann') }, last)
      last = next
      return next as unknown as Row
    })
    const columns = Object.keys(entries[0] ?? {})
    const row = `(${columns.map(() => '?').join()})`
    await database.run(
      `insert into audit (${columns.join()}) values ${entries.map(() => row).join()}`,
      ...entries.flatMap((fields) => columns.map((column) => fields[column])),
    )
  }
  await database.run('update audit_chain set number = ?, head = ?', last.number, last.hash)
  return last
}

itInRelease(
  'prunes the oldest actions beyond the retention limit, and the rest and its export stay valid',
  async () => {
    const { number } = await append(112_000, GENESIS_POSITION)
    // There are 100,800 actions. Every hundredth entry prunes all but the newest 100,000 actions.
    for (let i = 0; i < 100; i++) await world.authority.security.audit.record(entry(i, 'ann'))
    const { from, to } = await world.authority.security.audit.verify()
    expect(to).toBe(number + 100)
    const [kept] = await database.run(`select count(*) as n from audit where kind = 'action'`)
    expect(Number(kept?.n)).toBe(RETENTION.actions)
    expect(from).toBeGreaterThan(900)
    const lines: string[] = []
    for await (const part of world.authority.security.audit.export())
      lines.push(...part.trimEnd().split('\n'))
    expect(await verifyAuditExport(lines, world.authority.trustAnchor())).toMatchObject({ from, to })
  },
  120_000,
)

it('records a limited number of denials a day plus one omission entry, and still records actions', async () => {
  const { to: before } = await world.authority.security.audit.verify()
  world.clock.advance(DAY)
  for (let i = 0; i < MAX_DENIALS_PER_DAY + 20; i++)
    await world.authority.security.audit.record(entry(i, null))
  const [newest, last] = await world.authority.security.audit.list(2)
  expect(newest).toMatchObject({ kind: 'denial', action: 'audit-limit', outcome: 'omitted' })
  expect(last).toMatchObject({ kind: 'denial', subject: entry(MAX_DENIALS_PER_DAY - 2, null).subject })
  await world.authority.security.audit.record(entry(1, 'ann'))
  expect(await world.authority.security.audit.verify()).toMatchObject({
    to: before + MAX_DENIALS_PER_DAY + 1,
  })
  world.clock.advance(DAY)
  await world.authority.security.audit.record(entry(7, null))
  expect(await world.authority.security.audit.list(1)).toMatchObject([
    { kind: 'denial', subject: entry(7, null).subject },
  ])
})
