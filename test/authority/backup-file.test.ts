import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { restoreAuthority } from '../../src/authority/index.ts'
import { DATA_VERSION } from '../../src/authority/store/migrations/index.ts'
import { encryptLines } from '../../src/storage/age-files.ts'

const PASSPHRASE = 'correct horse battery'
const head = { backup: 'smart-authority', migration: DATA_VERSION }
const end = (rows: number, keys: number) => ({ end: { rows, keys } })
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-backup-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Encrypts lines with the right passphrase: strings as they are, other values as JSON. */
async function encryptFile(lines: readonly unknown[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  const texts = async function* () {
    for (const line of lines)
      yield await Promise.resolve(typeof line === 'string' ? line : JSON.stringify(line))
  }
  await encryptLines(texts(), PASSPHRASE, (chunk) => void chunks.push(chunk))
  return Buffer.concat(chunks)
}

const unreadable = (message: string) => ({ code: 'BACKUP_UNREADABLE', message })
const NOT_OF_ITS_FORM = unreadable('The backup cannot be used: a line is malformed.')
const NOT_WHOLE = unreadable('The backup cannot be used: it is incomplete.')
const NOT_OPENED = unreadable('The backup cannot be opened.')
it.each<[string, unknown[], { code: string; message: string }]>([
  ['has no lines', [], NOT_OPENED],
  ['begins with text that is not JSON', ['hello', head, end(0, 0)], NOT_OPENED],
  ['begins with another line', [end(0, 0), head], NOT_OPENED],
  ['belongs to another program', [{ ...head, backup: 'other' }, end(0, 0)], NOT_OPENED],
  ['has a line that is not JSON', [head, '{"table":', end(0, 0)], NOT_OF_ITS_FORM],
  ['has a malformed line', [head, { what: 'is this' }, end(0, 0)], NOT_OF_ITS_FORM],
  [
    'has a key with a path outside the key directory',
    [head, { key: '../a.key', text: '' }, end(0, 1)],
    NOT_OF_ITS_FORM,
  ],
  ['has no end', [head], NOT_WHOLE],
  ['lacks a row', [head, end(1, 0)], NOT_WHOLE],
  ['lacks a key', [head, end(0, 1)], NOT_WHOLE],
  [
    'was written by a newer program',
    [{ ...head, migration: DATA_VERSION + 1 }, end(0, 0)],
    {
      code: 'STORE_TOO_NEW',
      message: `The backup has data version ${DATA_VERSION + 1}, but this program supports versions up to ${DATA_VERSION}.`,
    },
  ],
])('refuses a backup that %s, and leaves nothing behind', async (_, lines, refusal) => {
  const restored = restoreAuthority({
    dataDir: join(directory, 'new'),
    backup: await encryptFile(lines),
    passphrase: PASSPHRASE,
  })
  await expect(restored).rejects.toMatchObject(refusal)
  expect(readdirSync(directory)).toEqual([])
})
