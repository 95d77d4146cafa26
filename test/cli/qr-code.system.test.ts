import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { encodeQrText } from '../../src/cli/codes.ts'
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

/** Converts a QR code of block characters to a PGM image. */
function toImage(text: string): string {
  const rows = text.split('\n').flatMap((line) => {
    const halves = Array.from(line).map(
      (character) => ({ '█': [1, 1], '▀': [1, 0], '▄': [0, 1] })[character] ?? [0, 0],
    )
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

it('encodeQrText draws a QR code that a scanner reads back (R-SLR-7)', async () => {
  const picture = join(directory, 'code.pgm')
  const plain = await encodeQrText(code, { colors: false })
  writeFileSync(picture, toImage(plain))
  const read = execFileSync('zbarimg', ['--quiet', '--raw', '--nodbus', picture], { encoding: 'utf8' }).trim()
  expect(read).toBe(code)
  // The QR code fits a terminal of 80 columns and sets its own colors.
  expect(Math.max(...plain.split('\n').map((line) => line.length))).toBeLessThan(80)
  expect(await encodeQrText(code, { colors: true })).toContain('\u001b[38;5;231;48;5;16m')
})
