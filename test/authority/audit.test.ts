import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { hashEntry } from '../../src/authority/audit/hash-chain.ts'
import { verifyAuditExport } from '../../src/authority/audit/audit-service.ts'
import { DAY } from '../../src/core/time.ts'
import { openStored, type Row, type StoredDatabase, type Value } from '../support/stored.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let database: StoredDatabase
let rows: Row[]
let end: Row[]
let kept: string
let exportedLines: string[]

const entry = (i: number, who: string | null = 'ann') => ({
  who,
  address: '192.0.2.7',
  action: 'token-create',
  subject: `Default: number ${i} \ud83d\ude00`,
  outcome: who === null ? 'SIGN_IN_FAILED' : 'done',
})
const lines = async (): Promise<string[]> => {
  let text = ''
  for await (const part of world.authority.security.audit.export()) text += part
  return text.trimEnd().split('\n')
}
const insert = async (table: string, written: Row[]) => {
  const [first] = written
  if (!first) return
  const columns = Object.keys(first)
  const row = `(${columns.map(() => '?').join()})`
  await database.run(
    `insert into ${table} (${columns.join()}) values ${written.map(() => row).join()}`,
    ...written.flatMap((fields) => columns.map((column) => fields[column])),
  )
}
const write = async (table: string, written: Row[]) => {
  await database.run(`delete from ${table}`)
  await insert(table, written)
}
const signedCheckpoints = () => database.run('select * from audit_checkpoints')

beforeAll(async () => {
  world = await createTestEnvironment()
  database = await openStored(join(world.directory, 'authority'))
  for (let i = 0; i < 12; i++) {
    world.clock.advance(1000)
    await world.authority.security.audit.record(entry(i, i % 4 === 3 ? null : 'ann'))
    if (i === 7) kept = await world.authority.security.audit.checkpoint()
  }
  exportedLines = await lines()
  rows = await database.run('select * from audit order by id')
  end = await database.run('select * from audit_chain')
})
afterEach(async () => {
  await write('audit', rows)
  await write('audit_chain', end)
})
afterAll(async () => {
  await database.close()
  await world.close()
})

const columns = [
  'at',
  'who',
  'address',
  'action',
  'subject',
  'outcome',
  'number',
  'previous',
  'hash',
  'kind',
] as const
const changed = (value: Value) => (typeof value === 'number' ? value + 50 : `${String(value)}x`)

describe('the audit log', () => {
  it('is valid as written, with actions and denials in one hash chain', async () => {
    expect(await world.authority.security.audit.verify([kept])).toEqual({
      from: 1,
      to: 12,
      checkpoints: { checked: 3, untrusted: 0 },
    })
  })

  it('fails verification after any change, removal, insertion or reordering of entries', async () => {
    const tampering = fc.oneof(
      fc.record({
        kind: fc.constant('change' as const),
        at: fc.nat(11),
        column: fc.constantFrom(...columns),
      }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(11) }),
      fc.record({ kind: fc.constant('insert' as const), at: fc.nat(11), number: fc.constantFrom(0, 13, 99) }),
      fc
        .record({ kind: fc.constant('swap' as const), at: fc.nat(11), with: fc.nat(11) })
        .filter(({ at, with: other }) => at !== other),
      fc
        .record({ kind: fc.constant('ids' as const), at: fc.nat(11), with: fc.nat(11) })
        .filter(({ at, with: other }) => at !== other),
      fc.record({ kind: fc.constant('cut' as const), at: fc.integer({ min: 1, max: 11 }) }),
    )
    await fc.assert(
      fc.asyncProperty(tampering, async (change) => {
        let altered = structuredClone(rows)
        const row = altered[change.at]!
        if (change.kind === 'change') row[change.column] = changed(row[change.column]!)
        else if (change.kind === 'remove') altered.splice(change.at, 1)
        else if (change.kind === 'insert') altered.push({ ...row, id: 99, number: change.number })
        else if (change.kind === 'cut') altered = altered.slice(0, change.at)
        else {
          const other = altered[change.with]!
          const fields = change.kind === 'ids' ? ['id'] : ['at', 'who', 'subject', 'kind', 'hash', 'previous']
          for (const field of fields) [row[field], other[field]] = [other[field]!, row[field]!]
        }
        await write('audit', altered)
        expect(await getErrorCode(world.authority.security.audit.verify())).toBe('AUDIT_BROKEN')
      }),
      { numRuns: 150 },
    )
  })

  it('names the first invalid entry', async () => {
    await database.run(`update audit set subject = 'nothing' where number = 5`)
    await expect(world.authority.security.audit.verify()).rejects.toThrow(/entry 5, of .*, was changed/)
  })

  it('fails verification when a denial was changed to an action, or the reverse', async () => {
    for (const [number, who, kind] of [
      [4, 'ann', 'action'],
      [5, null, 'denial'],
    ] as const) {
      await database.run('update audit set who = ?, kind = ? where number = ?', who, kind, number)
      await expect(world.authority.security.audit.verify()).rejects.toThrow(
        new RegExp(`entry ${number}, .* was changed`),
      )
      await write('audit', rows)
    }
  })

  it('fails verification against a stored or external checkpoint when it was rewritten as a whole', async () => {
    let previous = 'genesis'
    for (const row of rows) {
      const rewritten = { ...row, previous, subject: 'nothing' } as never as Parameters<typeof hashEntry>[0]
      previous = hashEntry(rewritten)
      await database.run(
        'update audit set previous = ?, subject = ?, hash = ? where number = ?',
        ...[rewritten.previous, rewritten.subject, previous, row.number],
      )
    }
    await database.run('update audit_chain set head = ?', previous)
    await expect(world.authority.security.audit.verify()).rejects.toThrow(/signed checkpoint/)
    const signed = await signedCheckpoints()
    await write('audit_checkpoints', [])
    expect(await getErrorCode(world.authority.security.audit.verify())).toBe('no error')
    expect(await getErrorCode(world.authority.security.audit.verify([kept]))).toBe('AUDIT_BROKEN')
    await write('audit_checkpoints', signed)
  })

  it('fails verification when early entries were removed before their retention ended', async () => {
    const last = rows[3]!
    await write('audit', rows.slice(4))
    await write(
      'audit_chain',
      end.map((row) => ({ ...row, anchor_number: last.number!, anchor_hash: last.hash! })),
    )
    await expect(world.authority.security.audit.verify()).rejects.toMatchObject({
      code: 'AUDIT_BROKEN',
      message: 'The audit log is damaged: entries up to 4 are missing, and their retention has not ended.',
    })
    // An export made now has a signed checkpoint that begins after the cut.
    const cut = await lines()
    expect(await getErrorCode(verifyAuditExport(cut, world.authority.trustAnchor()))).toBe('AUDIT_BROKEN')
  })

  it('fails verification against a checkpoint when its end was cut off, and refuses an altered checkpoint', async () => {
    await database.run('delete from audit where number > 3')
    const [third] = await database.run('select hash from audit where number = 3')
    await database.run('update audit_chain set number = 3, head = ?', third?.hash)
    await expect(world.authority.security.audit.verify([kept])).rejects.toThrow(
      /entries 4 to \d+ are missing/,
    )
    expect(
      await getErrorCode(
        world.authority.security.audit.verify([kept.replace('Entries to:', 'Entries to: ')]),
      ),
    ).toBe('SIGNED_FILE_ALTERED')
  })

  it('is signed once a day when it has new entries', async () => {
    const count = async () => (await signedCheckpoints()).length
    const before = await count()
    await world.authority.security.audit.runDue()
    expect(await count()).toBe(before)
    world.clock.advance(DAY)
    await world.authority.security.audit.runDue()
    expect(await count()).toBe(before)
    await world.authority.security.audit.record(entry(100))
    await world.authority.security.audit.runDue()
    await world.authority.security.audit.runDue()
    expect(await count()).toBe(before + 1)
    await database.run('delete from audit_checkpoints where at = (select max(at) from audit_checkpoints)')
  })

  it('is verified from an export alone, which fails after any change of its lines', async () => {
    const trust = world.authority.trustAnchor()
    expect(await verifyAuditExport(exportedLines, trust, [kept])).toMatchObject({ from: 1, to: 12 })
    const other = await createTestEnvironment()
    expect(await getErrorCode(verifyAuditExport(exportedLines, other.authority.trustAnchor()))).toBe(
      'SIGNED_FILE_UNTRUSTED',
    )
    await other.close()
    const at = fc.integer({ min: 0, max: exportedLines.length - 1 })
    await fc.assert(
      fc.asyncProperty(at, at, fc.constantFrom('change', 'remove', 'repeat', 'swap'), async (i, j, how) => {
        const altered = [...exportedLines]
        if (how === 'change') altered[i] = altered[i]!.replace(/"(who|checkpoint|account)":"?/, '$&x')
        else if (how === 'remove') altered.splice(i, 1)
        else if (how === 'repeat') altered.splice(j, 0, altered[i]!)
        else [altered[i], altered[j]] = [altered[j]!, altered[i]!]
        fc.pre(altered.join() !== exportedLines.join())
        // The first line names the account, which the checkpoint states in words.
        fc.pre(!(how === 'change' && i === 0))
        expect(await getErrorCode(verifyAuditExport(altered, trust))).toMatch(
          /^(AUDIT_BROKEN|SIGNED_FILE_\w+)$/,
        )
      }),
      { numRuns: 150 },
    )
  })
})
