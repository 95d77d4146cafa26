import { execFileSync } from 'node:child_process'
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
import { codeLines, qrText, writeCarriedFile } from '../../src/cli/carry.ts'
import { LicensingError } from '../../src/domain/errors.ts'
import { writeRequestCode } from '../../src/protocol/offline-codes.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true })
})

const code = writeRequestCode({
  udi: { pid: 'CWMS-K9', serial: 'SN12345', version: '4.0' },
  number: 3,
  boxKey: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
})

/** The text that a terminal shows as an image of dark and light squares. */
function drawn(text: string): string {
  const rows = text.split('\n').flatMap((line) => {
    const halves = Array.from(line).map((sign) => ({ '█': [1, 1], '▀': [1, 0], '▄': [0, 1] })[sign] ?? [0, 0])
    return [halves.map(([upper]) => upper ?? 0), halves.map(([, lower]) => lower ?? 0)]
  })
  const scale = 6
  const pixels = rows.flatMap((row) =>
    Array.from({ length: scale }, () =>
      row.flatMap((light) => Array.from({ length: scale }, () => light * 255)).join(' '),
    ),
  )
  return `P2\n${(rows[0]?.length ?? 0) * scale} ${rows.length * scale}\n255\n${pixels.join('\n')}\n`
}

it('R-SLR-7: a code is drawn so that a phone reads it back as it is', async () => {
  const picture = join(directory, 'code.pgm')
  const plain = await qrText(code, { colours: false })
  writeFileSync(picture, drawn(plain))
  const read = execFileSync('zbarimg', ['--quiet', '--raw', '--nodbus', picture], { encoding: 'utf8' }).trim()
  expect(read).toBe(code)
  // It fits a terminal of 80 columns, and says its own colours there.
  expect(Math.max(...plain.split('\n').map((line) => line.length))).toBeLessThan(80)
  expect(await qrText(code, { colours: true })).toContain('\u001b[38;5;231;48;5;16m')
})

it('R-SLR-7: a code is printed in short lines, and read back from them', () => {
  const lines = codeLines(code).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(35)
  expect(lines.join('')).toBe(code)
})

it('a file is written for this user alone, whole or not at all, and nothing is done when it cannot be', async () => {
  const out = join(directory, 'authorization.txt')
  await writeCarriedFile(out, () => Promise.resolve({ file: 'text\n' }))
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(statSync(out).mode & 0o777).toBe(0o600)
  let done = 0
  const work = () => {
    done++
    return Promise.resolve({ file: 'other' })
  }
  await expect(writeCarriedFile(join(directory, 'missing', 'file'), work)).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
  })
  expect(done).toBe(0)
  await expect(writeCarriedFile(directory, work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeCarriedFile('/dev/full', work)).rejects.toMatchObject({ code: 'FILE_UNWRITABLE' })
  await expect(writeCarriedFile('', work)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(done).toBe(0)
  const refused = writeCarriedFile(out, () => Promise.reject(new LicensingError('UPDATE_PENDING', 'no')))
  await expect(refused).rejects.toMatchObject({ code: 'UPDATE_PENDING' })
  expect(readFileSync(out, 'utf8')).toBe('text\n')
  expect(readdirSync(directory)).toEqual(['authorization.txt'])
})

it('a file that a symbolic link leads to is written, and nothing beside it is touched', async () => {
  const [target, link] = [join(directory, 'target'), join(directory, 'link')]
  writeFileSync(target, 'old')
  symlinkSync(target, link)
  writeFileSync(join(directory, 'target.new'), 'mine')
  await writeCarriedFile(link, () => Promise.resolve({ file: 'new' }))
  expect(readFileSync(target, 'utf8')).toBe('new')
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(readFileSync(join(directory, 'target.new'), 'utf8')).toBe('mine')
  expect(readdirSync(directory).sort()).toEqual(['link', 'target', 'target.new'])
})
