import { afterEach, describe, expect, it, vi } from 'vitest'
import { printFailure, printJson, printText } from '../../src/cli/output.ts'
import { LicensingError } from '../../src/core/errors.ts'

/** Returns what a function writes to standard output and standard error. */
function capture(work: () => void): string {
  let written = ''
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written += String(text)
      return true
    })
  work()
  return written
}
afterEach(() => {
  vi.restoreAllMocks()
})

const ILL = 'East\u001b]0;PWNED\u0007\u001b[2J\u009b2J\u202e'

describe('the output of the programs', () => {
  it('changes no terminal, whatever names are in it', () => {
    const text = capture(() => {
      printText(`Virtual account  ${ILL}\nState\tauthorized`)
    })
    expect(text).toBe('Virtual account  East\ufffd]0;PWNED\ufffd\ufffd[2J\ufffd2J\ufffd\nState\tauthorized\n')
  })

  it('keeps its own styles: bold states, and the colors of QR codes', () => {
    const styled = '\u001b[1m authorized \u001b[22m \u001b[38;5;231;48;5;16m██\u001b[0m'
    expect(
      capture(() => {
        printText(styled)
      }),
    ).toBe(`${styled}\n`)
  })

  it('changes no terminal as JSON, and can be parsed to the same value', () => {
    const json = capture(() => {
      printJson({ virtualAccount: ILL, tag: '\u{e0041}' })
    })
    expect(json).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
    expect(JSON.parse(json)).toEqual({ virtualAccount: ILL, tag: '\u{e0041}' })
  })

  it('changes no terminal with the message of an error', () => {
    const error = new LicensingError('INVALID_ARGUMENT', `There is no ${ILL}.`)
    const line = capture(() => printFailure(error, false))
    expect(line).toMatch(/^error: There is no East\ufffd/)
    expect(line).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
  })
})
