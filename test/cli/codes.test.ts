import {
  lstatSync,
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
import { afterEach, beforeEach, expect, it } from 'vitest'
import { writeFileAtomically } from '../../src/cli/atomic-write.ts'
import { formatCode } from '../../src/cli/codes.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { encodeRequestCode } from '../../src/protocol/offline-codes.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true })
})

const code = encodeRequestCode({
  udi: { pid: 'CWMS-K9', serial: 'SN12345', version: '4.0' },
  number: 3,
  deviceKey: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
})

it('formatCode prints a code in short lines that join to the same code (R-SLR-7)', () => {
  const lines = formatCode(code).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(35)
  expect(lines.join('')).toBe(code)
})

it('writeFileAtomically writes a complete private file, and does no work if the file cannot be written', async () => {
  const out = join(directory, 'authorization.txt')
  await writeFileAtomically(out, () => Promise.resolve({ file: 'text\n' }))
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(statSync(out).mode & 0o777).toBe(0o600)
  let runs = 0
  const work = () => {
    runs++
    return Promise.resolve({ file: 'other' })
  }
  await expect(writeFileAtomically(join(directory, 'missing', 'file'), work)).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
  })
  expect(runs).toBe(0)
  await expect(writeFileAtomically(directory, work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeFileAtomically('/dev/full', work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeFileAtomically('', work)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(runs).toBe(0)
  const refused = writeFileAtomically(out, () => Promise.reject(new LicensingError('UPDATE_PENDING', 'no')))
  await expect(refused).rejects.toMatchObject({ code: 'UPDATE_PENDING' })
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(readdirSync(directory)).toEqual(['authorization.txt'])
})

it('writeFileAtomically writes the target of a symbolic link and no other file', async () => {
  const [target, link] = [join(directory, 'target'), join(directory, 'link')]
  writeFileSync(target, 'old')
  symlinkSync(target, link)
  writeFileSync(join(directory, 'target.new'), 'mine')
  await writeFileAtomically(link, () => Promise.resolve({ file: 'new' }))
  expect(readFileSync(target, 'utf8')).toBe('new')
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(directory, 'target.new'), 'utf8')).toBe('mine')
  expect(readdirSync(directory).sort()).toEqual(['link', 'target', 'target.new'])
})
