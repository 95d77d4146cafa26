import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect } from 'vitest'
import { DATA_VERSION } from '../../src/authority/store/migrations/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'
import { runOnTerminal } from '../support/terminal.ts'

const { describe, it } = createSampledTests(2)

const PASSPHRASE = 'correct horse bättery'
let programs: Programs
const path = (name: string) => join(programs.directory, name)
const keyFile = (name: string) => join(programs.dataDir('authority'), 'keys', name)
const passphraseFile = () => ['--passphrase-file', path('passphrase')]
/** Decrypts a file with the `age` command, which reads a passphrase only from a terminal. */
const decrypt = async (from: string, to: string, passphrase = PASSPHRASE) =>
  runOnTerminal(['age', '--decrypt', '--output', path(to), path(from)], [passphrase])

beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  await programs.order(7)
  writeFileSync(path('passphrase'), `${PASSPHRASE}\n`)
  copyFileSync(keyFile('root.key'), path('root.key'))
  await programs.good(programs.authority(['backup', path('backup.age'), ...passphraseFile(), '--json']))
})
afterAll(() => programs.close())

describe('a backup', () => {
  it('is decrypted by the age command and contains gzipped JSON lines', async () => {
    expect(await decrypt('backup.age', 'backup.jsonl.gz')).toMatchObject({ code: 0 })
    const text = gunzipSync(readFileSync(path('backup.jsonl.gz'))).toString()
    const [head, ...lines] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const end = lines.pop()
    expect(head).toEqual({ backup: 'smart-authority', migration: DATA_VERSION })
    const keys = lines.filter((line) => 'key' in line)
    const names = readdirSync(join(programs.dataDir('authority'), 'keys')).filter(
      (name) => name !== 'root.key',
    )
    expect(keys.map(({ key }) => key).sort()).toEqual(names.filter((name) => name.endsWith('.key')).sort())
    for (const { key, text } of keys) expect(text).toBe(readFileSync(keyFile(String(key)), 'utf8'))
    const tables = lines.filter((line) => 'rows' in line) as unknown as {
      table: string
      columns: string[]
      rows: unknown[][]
    }[]
    expect(tables.length + keys.length).toBe(lines.length)
    const licenses = tables.find(({ table }) => table === 'licenses')
    expect(licenses?.rows[0]?.[licenses.columns.indexOf('quantity')]).toBe(7)
    const rows = tables.reduce((sum, table) => sum + table.rows.length, 0)
    expect(end).toEqual({ end: { rows, keys: keys.length } })
  })

  it('has mode 0600 and the scrypt work factor of the age command', () => {
    expect(statSync(path('backup.age')).mode & 0o777).toBe(0o600)
    expect(readFileSync(path('backup.age'), 'latin1')).toMatch(
      /^age-encryption\.org\/v1\n-> scrypt [\w+/]{22} 18\n/,
    )
  })

  it('is not decrypted with another passphrase, by the age command or by the program', async () => {
    const { code, output } = await decrypt('backup.age', 'none', 'another passphrase')
    expect([code, output]).toEqual([1, expect.stringContaining('incorrect passphrase')])
    writeFileSync(path('another'), 'another passphrase')
    const dataDirOption = ['--data-dir', path('none')]
    const refused = await programs.run('smart-authority', [
      ...dataDirOption,
      ...['restore', path('backup.age'), '--passphrase-file', path('another'), '--json'],
    ])
    expect(parseError(refused)).toMatchObject({
      code: 'BACKUP_UNREADABLE',
      message: 'The backup cannot be opened.',
    })
  })

  it('is restored when the age command encrypted it', async () => {
    const { code } = await runOnTerminal(
      ['age', '--passphrase', '--output', path('again.age'), path('backup.jsonl.gz')],
      [PASSPHRASE, PASSPHRASE],
    )
    expect(code).toBe(0)
    const dataDirOption = ['--data-dir', path('restored')]
    await programs.good(
      programs.run('smart-authority', [
        ...dataDirOption,
        ...['restore', path('again.age'), ...passphraseFile(), '--json'],
      ]),
    )
    const { licenses } = await programs.good<{ licenses: { quantity: number }[] }>(
      programs.run('smart-authority', [...dataDirOption, 'license', 'list', '--json']),
    )
    expect(licenses.map(({ quantity }) => quantity)).toEqual([7])
  })
})

describe('the exported root key', () => {
  it('is decrypted by the age command and contains the PEM key', async () => {
    const exported = ['trust', 'root', 'export', path('root.age'), ...passphraseFile(), '--json']
    await programs.good(programs.authority(exported))
    expect(statSync(path('root.age')).mode & 0o777).toBe(0o600)
    expect(await decrypt('root.age', 'opened.key')).toMatchObject({ code: 0 })
    expect(readFileSync(path('opened.key'), 'utf8')).toBe(readFileSync(path('root.key'), 'utf8'))
  })

  it('is distinguished from a backup with the same passphrase', async () => {
    const rotate = ['trust', 'rotate', 'issuing-ca', ...passphraseFile(), '--json']
    const refused = await programs.authority([...rotate, '--root-key', path('backup.age')])
    expect(parseError(refused).code).toBe('ROOT_KEY_UNREADABLE')
    await programs.good(programs.authority([...rotate, '--root-key', path('root.age')]))
  })
})
