import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import { decodeHumanCode, encodeHumanCode } from '../../src/protocol/human-code.ts'
import { selectScale } from '../support/scale.ts'

const SIGNS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const bytes = fc.uint8Array({ minLength: 1, maxLength: 120 })
const failure = (text: string): LicensingError | null => {
  try {
    decodeHumanCode(text, 'request code')
    return null
  } catch (error) {
    if (error instanceof LicensingError) return error
    throw error
  }
}

describe('a code that people type', () => {
  it('is read back as it was written, in groups of six', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const code = encodeHumanCode(data)
        expect(code).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{6}-)*[0-9A-HJKMNP-TV-Z]{2,6}$/)
        expect(decodeHumanCode(code, 'request code')).toEqual(data)
      }),
    )
  })

  it('may carry spaces, line breaks, small letters, and letters that look like its own', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 37))
    const typed = code
      .toLowerCase()
      .replaceAll('-', ' ')
      .replace(/(.{20})/g, '$1\r\n\t')
      .replaceAll('0', 'o')
      .replaceAll('1', 'l')
    expect(decodeHumanCode(` ${typed} `, 'request code')).toEqual(decodeHumanCode(code, 'request code'))
  })

  it('with any one sign wrong is told from a wrong code, by the group', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 31 }), (data, where, change) => {
        const signs = Array.from(encodeHumanCode(data).replaceAll('-', ''))
        const at = where % signs.length
        signs[at] = SIGNS.charAt((SIGNS.indexOf(signs[at] ?? '') + change) % 32)
        const failed = failure(signs.join(''))
        expect(failed?.code).toBe('CODE_MISTYPED')
        expect(failed?.message).toContain(`group ${Math.floor(at / 6) + 1} is wrong`)
      }),
      { numRuns: 1000 },
    )
  })

  it('with every sign of it wrong in every way is told, without exception', () => {
    const data = Uint8Array.from({ length: 40 }, (_, i) => (i * 101) % 256)
    const signs = Array.from(encodeHumanCode(data).replaceAll('-', ''))
    for (const [at, sign] of signs.entries()) {
      for (const other of SIGNS) {
        if (other === sign) continue
        expect(failure(signs.with(at, other).join(''))?.code).toBe('CODE_MISTYPED')
      }
    }
  })

  it('with two signs beside each other, or two groups, in each other’s place is told', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (data, where) => {
        const signs = Array.from(encodeHumanCode(data).replaceAll('-', ''))
        const at = where % (signs.length - 1)
        const [a = '', b = ''] = [signs[at], signs[at + 1]]
        // Across the border of two groups both are wrong; within one, one is.
        if (a !== b)
          expect(
            failure(
              signs
                .with(at, b)
                .with(at + 1, a)
                .join(''),
            )?.code,
          ).toBe('CODE_MISTYPED')
      }),
    )
    const groups = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i)).split('-')
    const swapped = groups.with(2, groups[3] ?? '').with(3, groups[2] ?? '')
    expect(failure(swapped.join('-'))?.message).toContain('groups 3, 4 are wrong')
    expect(failure(groups.toSpliced(4, 1).join('-'))?.code).toBe('CODE_MISTYPED')
  })

  it('with a group or a sign too few or too many says which', () => {
    const groups = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).split('-')
    const readMessage = (changed: string[], separator = '-') =>
      failure(changed.join(separator))?.message ?? 'read'
    for (let at = 0; at < groups.length - 2; at++) {
      expect(readMessage(groups.toSpliced(at, 1), '')).toContain(`group ${at + 1} is missing`)
      expect(readMessage(groups.toSpliced(at, 0, groups[at] ?? ''), '')).toContain(
        `a group too many after group ${at + 1}`,
      )
      const short = groups.with(at, (groups[at] ?? '').slice(1))
      expect(readMessage(short)).toContain(`group ${at + 1} has 5 signs instead of 6`)
      expect(readMessage(groups.with(at, `${groups[at] ?? ''}7`), ' ')).toContain(
        `group ${at + 1} has 7 signs instead of 6`,
      )
    }
    expect(readMessage(groups.map((group, i) => (i > 3 && i < 8 ? '000000' : group)))).toContain(
      'groups 5 to 8 are wrong',
    )
    // One group behind the place could be right elsewhere by luck: only what is wrong is said.
    expect(readMessage(groups.toSpliced(-2, 1), '')).toContain(`group ${groups.length - 1} is wrong`)
    expect(readMessage(groups.toSpliced(-1, 0, '000000'), '')).toContain(
      `groups ${groups.length}, ${groups.length + 1} are wrong`,
    )
    const [first = '', ...rest] = encodeHumanCode(Uint8Array.from({ length: 7 }, (_, i) => i * 7)).split('-')
    expect(rest.length).toBe(2)
    expect(readMessage([first.slice(1), ...rest])).toContain('group 1 has 5 signs instead of 6')
    expect(failure('hello, this is no code at all whatever')?.code).toBe('CODE_MALFORMED')
    expect(failure(groups.join('-').replace('-', 'U'))?.message).toContain('in group 2')
  })

  it('with any one sign beyond its last whole group is told', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 25 }, (_, i) => i * 3))
    expect(code.split('-').map(({ length }) => length)).toEqual(Array(8).fill(6))
    for (const sign of SIGNS) expect(failure(`${code}-${sign}`)?.code).toBe('CODE_MISTYPED')
    expect(failure(`${code}7`)?.message).toContain('group 8 has 7 signs instead of 6')
  })

  it('of more signs than its bytes need, or with something in the bits that fill up the last, is told', () => {
    const [a = '', b = ''] = encodeHumanCode(Uint8Array.of(200))
    const filled = SIGNS.charAt(SIGNS.indexOf(b) + 1)
    for (const check of SIGNS)
      for (const data of [`${a}${filled}`, `${a}${b}0`, '0'])
        expect([data, check, failure(`${data}${check}`)]).not.toEqual([data, check, null])
  })

  it('typed in groups of another size, or with space around it, is told by the groups it was printed in', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).replaceAll('-', '')
    const wrong = `${code.slice(0, 13)}${code.charAt(13) === '0' ? '1' : '0'}${code.slice(14)}`
    expect(failure(wrong.replace(/(.{5})/g, '$1 '))?.message).toContain('group 3 is wrong')
    expect(failure(`\n ${wrong.replace(/(.{6})/g, '$1 ')}`)?.message).toContain('group 3 is wrong')
  })

  it('is said to be empty, too long, or nothing of the kind, where it is', () => {
    const readFailure = (text: string) => [failure(text)?.code, failure(text)?.message]
    const malformed = (why: string) => ['CODE_MALFORMED', `The text given is not a request code: ${why}.`]
    expect(readFailure('')).toEqual(malformed('it is empty'))
    expect(readFailure(' -\n- ')).toEqual(malformed('it is empty'))
    // Zeros have no check of zero, whatever their place.
    expect(readFailure('000000-000000-000000')).toEqual([
      'CODE_MISTYPED',
      'The request code was not typed as it was printed: groups 1 to 3 are wrong.',
    ])
    expect(readFailure('000000-000000-000000-000000')).toEqual(malformed('no group of it is right'))
    expect(readFailure('000000-0000*0-000000')[1]).toMatch(
      /it holds .*\*.*, which no code has, in group 2\.$/,
    )
    const longest = encodeHumanCode(new Uint8Array(1041).fill(7))
    expect(longest.replaceAll('-', '').length).toBe(2000)
    expect(decodeHumanCode(longest, 'request code')).toEqual(new Uint8Array(1041).fill(7))
    expect(readFailure(`${longest}0`)).toEqual(malformed('it is far too long'))
  })

  it('with more than one sign between its groups is told by the group that is too short', () => {
    const groups = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).split('-')
    const short = groups.with(2, (groups[2] ?? '').slice(1))
    expect(failure(short.join(' - '))?.message).toContain('group 3 has 5 signs instead of 6')
  })

  it('is nothing that random text could be, and never throws anything but its own errors', () => {
    let taken = 0
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 300 }), fc.stringMatching(/^[0-9A-Z-]{0,100}$/)),
        (text) => {
          const failed = failure(text)
          if (failed === null) taken++
          else expect(['CODE_MISTYPED', 'CODE_MALFORMED']).toContain(failed.code)
        },
      ),
      { numRuns: Number(process.env.FUZZ_RUNS ?? selectScale(3_000, 20_000)) },
    )
    // A group or two may be right by chance; a code that means something is longer, and carries a MAC.
    expect(taken).toBeLessThan(200)
    expect(failure('x'.repeat(1_000_000))?.code).toBe('CODE_MALFORMED')
  })
})
