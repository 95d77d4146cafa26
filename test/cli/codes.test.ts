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

it('R-SLR-7: a code is printed in short lines, and read back from them', () => {
  const lines = formatCode(code).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(35)
  expect(lines.join('')).toBe(code)
})

it('a file is written for this user alone, whole or not at all, and nothing is done when it cannot be', async () => {
  const out = join(directory, 'authorization.txt')
  await writeFileAtomically(out, () => Promise.resolve({ file: 'text\n' }))
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(statSync(out).mode & 0o777).toBe(0o600)
  let done = 0
  const work = () => {
    done++
    return Promise.resolve({ file: 'other' })
  }
  await expect(writeFileAtomically(join(directory, 'missing', 'file'), work)).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
  })
  expect(done).toBe(0)
  await expect(writeFileAtomically(directory, work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeFileAtomically('/dev/full', work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeFileAtomically('', work)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(done).toBe(0)
  const refused = writeFileAtomically(out, () => Promise.reject(new LicensingError('UPDATE_PENDING', 'no')))
  await expect(refused).rejects.toMatchObject({ code: 'UPDATE_PENDING' })
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(readdirSync(directory)).toEqual(['authorization.txt'])
})

it('a file that a symbolic link leads to is written, and nothing beside it is touched', async () => {
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
