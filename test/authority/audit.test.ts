import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { chained, entryHash, type Place } from '../../src/authority/audit/hash-chain.ts'
import { verifyAuditExport } from '../../src/authority/audit/audit-service.ts'
import { DAY } from '../../src/core/time.ts'
import { openStored, type Row, type Stored, type Value } from '../support/stored.ts'
import { codeOf, makeWorld, type World } from '../support/test-environment.ts'

let world: World
let database: Stored
let rows: Row[]
let ends: Row[]
let kept: string
let exportedLines: string[]

const deed = (i: number, who: string | null = 'ann') => ({
  who,
  address: '192.0.2.7',
  action: 'token-create',
  about: `Default: number ${i} \ud83d\ude00`,
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
    ...written.flatMap((one) => columns.map((column) => one[column])),
  )
}
const write = async (table: string, written: Row[]) => {
  await database.run(`delete from ${table}`)
  await insert(table, written)
}
const signedCheckpoints = () => database.run('select * from audit_checkpoints')

beforeAll(async () => {
  world = await makeWorld()
  database = await openStored(join(world.directory, 'authority'))
  for (let i = 0; i < 12; i++) {
    world.clock.advance(1000)
    await world.authority.security.audit.record(deed(i, i % 4 === 3 ? null : 'ann'))
    if (i === 7) kept = await world.authority.security.audit.checkpoint()
  }
  exportedLines = await lines()
  rows = await database.run('select * from audit order by id')
  ends = await database.run('select * from audit_chains')
})
afterEach(async () => {
  await write('audit', rows)
  await write('audit_chains', ends)
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
  'about',
  'outcome',
  'number',
  'previous',
  'hash',
  'chain',
] as const
const changed = (value: Value) => (typeof value === 'number' ? value + 50 : `${String(value)}x`)

describe('the audit record', () => {
  it('is whole as it was written, and says of what it consists', async () => {
    expect(await world.authority.security.audit.verify([kept])).toEqual({
      chains: [
        { chain: 'deeds', from: 1, to: 9 },
        { chain: 'refusals', from: 1, to: 3 },
      ],
      checkpoints: { checked: 3, untrusted: 0 },
    })
  })

  it('shows any change, removal, insertion and reordering of its entries', async () => {
    const tampering = fc.oneof(
      fc.record({
        kind: fc.constant('change' as const),
        at: fc.nat(11),
        column: fc.constantFrom(...columns),
      }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(11) }),
      fc.record({ kind: fc.constant('insert' as const), at: fc.nat(11), chain: fc.boolean() }),
      fc
        .record({ kind: fc.constant('swap' as const), at: fc.nat(11), with: fc.nat(11) })
        .filter((one) => one.at !== one.with),
      fc
        .record({ kind: fc.constant('ids' as const), at: fc.nat(11), with: fc.nat(11) })
        .filter((one) => one.at !== one.with && rows[one.at]!.chain === rows[one.with]!.chain),
      fc.record({ kind: fc.constant('cut' as const), at: fc.integer({ min: 1, max: 11 }) }),
    )
    await fc.assert(
      fc.asyncProperty(tampering, async (one) => {
        let altered = structuredClone(rows)
        const row = altered[one.at]!
        if (one.kind === 'change') row[one.column] = changed(row[one.column]!)
        else if (one.kind === 'remove') altered.splice(one.at, 1)
        else if (one.kind === 'insert')
          altered.push({
            ...row,
            id: 99,
            number: one.chain ? 99 : null,
            chain: one.chain ? row.chain! : null,
          })
        else if (one.kind === 'cut') altered = altered.slice(0, one.at)
        else {
          const other = altered[one.with]!
          const fields = one.kind === 'ids' ? ['id'] : ['at', 'who', 'about', 'hash', 'previous']
          for (const field of fields) [row[field], other[field]] = [other[field]!, row[field]!]
        }
        await write('audit', altered)
        expect(await codeOf(world.authority.security.audit.verify())).toBe('AUDIT_BROKEN')
      }),
      { numRuns: 150 },
    )
  })

  it('names the first entry that does not fit', async () => {
    await database.run(`update audit set about = 'nothing' where chain = 'deeds' and number = 5`)
    await expect(world.authority.security.audit.verify()).rejects.toThrow(
      /entry 5 of the deeds, of .*, was changed/,
    )
  })

  it('that was written anew as a whole is found by a checkpoint, also by one that was kept elsewhere only', async () => {
    let previous = 'beginning'
    for (const row of rows.filter(({ chain }) => chain === 'deeds')) {
      const entry = { ...row, previous, about: 'nothing' } as never as Parameters<typeof entryHash>[0]
      previous = entryHash(entry)
      await database.run(
        'update audit set previous = ?, about = ?, hash = ? where chain = ? and number = ?',
        ...[entry.previous, entry.about, previous, 'deeds', row.number],
      )
    }
    await database.run(`update audit_chains set head = ? where chain = 'deeds'`, previous)
    await expect(world.authority.security.audit.verify()).rejects.toThrow(/signed checkpoint/)
    const signed = await signedCheckpoints()
    await write('audit_checkpoints', [])
    expect(await codeOf(world.authority.security.audit.verify())).toBe('no error')
    expect(await codeOf(world.authority.security.audit.verify([kept]))).toBe('AUDIT_BROKEN')
    await write('audit_checkpoints', signed)
  })

  it('that was cut off at its beginning is found, as if it had been let go', async () => {
    const deeds = rows.filter(({ chain }) => chain === 'deeds')
    const last = deeds[3]!
    await write(
      'audit',
      rows.filter((row) => !deeds.slice(0, 4).includes(row)),
    )
    await write(
      'audit_chains',
      ends.map((row) =>
        row.chain === 'deeds' ? { ...row, anchor_number: last.number!, anchor_hash: last.hash! } : row,
      ),
    )
    await expect(world.authority.security.audit.verify()).rejects.toMatchObject({
      code: 'AUDIT_BROKEN',
      message:
        'The audit record is not whole: entries up to 4 of the deeds are missing, which are kept still.',
    })
    // What is exported now says of itself that it begins there, and is signed.
    const cut = await lines()
    expect(await codeOf(verifyAuditExport(cut, world.authority.trustAnchor()))).toBe('AUDIT_BROKEN')
  })

  it('that was cut off at its end is found by a checkpoint, and a checkpoint that was altered is refused', async () => {
    await database.run(`delete from audit where chain = 'deeds' and number > 3`)
    const [third] = await database.run(`select hash from audit where chain = 'deeds' and number = 3`)
    await database.run(`update audit_chains set number = 3, head = ? where chain = 'deeds'`, third?.hash)
    await expect(world.authority.security.audit.verify([kept])).rejects.toThrow(
      /entries 4 to 9 of the deeds are missing/,
    )
    expect(
      await codeOf(world.authority.security.audit.verify([kept.replace('Deeds to:', 'Deeds to: ')])),
    ).toBe('SIGNED_FILE_ALTERED')
  })

  it('is signed once a day while there is something new', async () => {
    const count = async () => (await signedCheckpoints()).length
    const before = await count()
    await world.authority.security.audit.beat()
    expect(await count()).toBe(before)
    world.clock.advance(DAY)
    await world.authority.security.audit.beat()
    expect(await count()).toBe(before)
    await world.authority.security.audit.record(deed(100))
    await world.authority.security.audit.beat()
    await world.authority.security.audit.beat()
    expect(await count()).toBe(before + 1)
    await database.run('delete from audit_checkpoints where at = (select max(at) from audit_checkpoints)')
  })

  it('that was exported is verified by itself, and shows any change of its lines', async () => {
    const trust = world.authority.trustAnchor()
    expect((await verifyAuditExport(exportedLines, trust, [kept])).chains).toEqual([
      { chain: 'deeds', from: 1, to: 9 },
      { chain: 'refusals', from: 1, to: 3 },
    ])
    const other = await makeWorld()
    expect(await codeOf(verifyAuditExport(exportedLines, other.authority.trustAnchor()))).toBe(
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
        // The two chains stand one behind the other: an entry of the one among the other is in its place all the same.
        const entries = (all: string[]) => [
          all[0],
          ...all.filter((line) => line.includes('"deeds"')),
          ...all.filter((line) => line.includes('"refusals"')),
          all.at(-1),
        ]
        fc.pre(entries(altered).join() !== entries(exportedLines).join())
        // The name of the account in the first line is the checkpoint's to say, in words.
        fc.pre(!(how === 'change' && i === 0))
        expect(await codeOf(verifyAuditExport(altered, trust))).toMatch(/^(AUDIT_BROKEN|SIGNED_FILE_\w+)$/)
      }),
      { numRuns: 150 },
    )
  })

  it('chains what was recorded before there were chains, in its order', async () => {
    await write('audit', [])
    await write(
      'audit_chains',
      ends.map(({ chain = null }) => ({
        chain,
        number: 0,
        head: 'beginning',
        anchor_number: 0,
        anchor_hash: 'beginning',
      })),
    )
    await write(
      'audit',
      rows.map((row) => ({ ...row, chain: null, number: null, previous: null, hash: null })),
    )
    const signed = await signedCheckpoints()
    await write('audit_checkpoints', [])
    await world.authority.security.audit.record(deed(12))
    expect((await world.authority.security.audit.verify()).chains[0]).toEqual({
      chain: 'deeds',
      from: 1,
      to: 10,
    })
    const listed = await world.authority.security.audit.list(20)
    expect(listed.map(({ about }) => about)).toEqual([
      deed(12).about,
      ...rows.map(({ about }) => about as string).reverse(),
    ])
    await write('audit_checkpoints', signed)
  })

  it('lets the oldest refusals go, and none of the deeds: the rest is whole all the same', async () => {
    const [end] = ends.filter(({ chain }) => chain === 'refusals')
    let last: Place = { number: Number(end!.number), hash: String(end!.head) }
    for (let batch = 0; batch < 10; batch++) {
      const entries = Array.from({ length: 1009 }, (_, i) => {
        const entry = chained({ at: world.clock.wall(), ...deed(i, null) }, 'refusals', last)
        last = entry
        return entry
      })
      await insert('audit', entries as unknown as Row[])
    }
    await database.run(
      `update audit_chains set number = ?, head = ? where chain = 'refusals'`,
      last.number,
      last.hash,
    )
    for (let i = 0; i < 20; i++) await world.authority.security.audit.record(deed(i, null))
    const { chains } = await world.authority.security.audit.verify()
    expect(chains).toEqual([
      { chain: 'deeds', from: 1, to: 9 },
      { chain: 'refusals', from: 101, to: 10_113 },
    ])
    const file = join(mkdtempSync(join(tmpdir(), 'sla-')), 'audit.jsonl')
    writeFileSync(file, (await lines()).join('\n'))
    expect((await verifyAuditExport(await lines(), world.authority.trustAnchor())).chains).toEqual(chains)
  })
})
