import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AtomicFile, replaceFile } from '../../src/storage/atomic-file.ts'
import { createTestEnvironment } from '../support/test-environment.ts'

let directory: string
const inside = (name: string) => join(directory, name)
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-file-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true })
})

describe('a file that is written whole', () => {
  it('replaces the file before, readable by its user only, and leaves nothing else', () => {
    writeFileSync(inside('file'), 'before', { mode: 0o666 })
    chmodSync(inside('file'), 0o666)
    replaceFile(inside('file'), 'after')
    expect(readFileSync(inside('file'), 'utf8')).toBe('after')
    expect(statSync(inside('file')).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['file'])
  })

  it('takes the place of a link, and does not touch what the link leads to', () => {
    writeFileSync(inside('victim'), 'mine')
    symlinkSync(inside('victim'), inside('file'))
    replaceFile(inside('file'), 'after')
    expect(lstatSync(inside('file')).isFile()).toBe(true)
    expect(readFileSync(inside('victim'), 'utf8')).toBe('mine')
  })

  it('is as before until it is committed, and leaves nothing where that fails', () => {
    writeFileSync(inside('file'), 'before')
    const file = new AtomicFile(inside('file'))
    file.write('a part')
    expect(readFileSync(inside('file'), 'utf8')).toBe('before')
    file.close()
    expect(readdirSync(directory)).toEqual(['file'])
    mkdirSync(inside('folder/in'), { recursive: true })
    expect(() => {
      replaceFile(inside('folder'), 'x')
    }).toThrow('EISDIR')
    expect(readdirSync(directory).sort()).toEqual(['file', 'folder'])
  })
})

it('mails and reports in a folder of others follow no link of a predictable name', async () => {
  const world = await createTestEnvironment()
  try {
    const { mail, schedules } = world.authority.operations
    await mail.configure({ kind: 'folder', from: 'licensing@vendor.example', folder: directory })
    await world.authority.orders.createForBuyer({ tag: 'HOST', quantity: 1, buyer: 'buyer@customer.example' })
    await schedules.add({ kind: 'licenses', every: 'day', hour: 5, to: { folder: directory } })
    const victim = join(world.directory, 'victim')
    writeFileSync(victim, 'mine')
    const day = new Date(world.clock.wall() + 86_400_000).toISOString().slice(0, 10)
    const names = Array.from({ length: 10 }, (_, number) => `${number}.eml`)
    for (const name of [...names, `licenses-acme.example-${day}T05.csv`])
      symlinkSync(victim, inside(`${name}.new`))
    world.clock.advance(2 * 86_400_000)
    expect(await schedules.runDue()).toBe(1)
    expect(await mail.send()).toBeGreaterThan(0)
    expect(readFileSync(victim, 'utf8')).toBe('mine')
    expect(readdirSync(directory).filter((name) => /\.(eml|csv)$/.test(name)).length).toBeGreaterThan(1)
  } finally {
    await world.close()
  }
})
