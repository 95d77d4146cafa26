import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import { decodeHumanCode, encodeHumanCode } from '../../src/protocol/human-code.ts'
import { selectScale } from '../support/scale.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
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

describe('a typed code', () => {
  it('is decoded to the encoded bytes and written in groups of six', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const code = encodeHumanCode(data)
        expect(code).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{6}-)*[0-9A-HJKMNP-TV-Z]{2,6}$/)
        expect(decodeHumanCode(code, 'request code')).toEqual(data)
      }),
    )
  })

  it('may contain spaces, line breaks, lower case and lookalike letters', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 37))
    const typed = code
      .toLowerCase()
      .replaceAll('-', ' ')
      .replace(/(.{20})/g, '$1\r\n\t')
      .replaceAll('0', 'o')
      .replaceAll('1', 'l')
    expect(decodeHumanCode(` ${typed} `, 'request code')).toEqual(decodeHumanCode(code, 'request code'))
  })

  it('is refused by the group of any single wrong character', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 31 }), (data, where, change) => {
        const characters = Array.from(encodeHumanCode(data).replaceAll('-', ''))
        const at = where % characters.length
        characters[at] = ALPHABET.charAt((ALPHABET.indexOf(characters[at] ?? '') + change) % 32)
        const failed = failure(characters.join(''))
        expect(failed?.code).toBe('CODE_MISTYPED')
        expect(failed?.message).toContain(`group ${Math.floor(at / 6) + 1} is wrong`)
      }),
      { numRuns: 1000 },
    )
  })

  it('is refused for every possible change of every single character', () => {
    const data = Uint8Array.from({ length: 40 }, (_, i) => (i * 101) % 256)
    const characters = Array.from(encodeHumanCode(data).replaceAll('-', ''))
    for (const [at, character] of characters.entries()) {
      for (const other of ALPHABET) {
        if (other === character) continue
        expect(failure(characters.with(at, other).join(''))?.code).toBe('CODE_MISTYPED')
      }
    }
  })

  it('is refused if two adjacent characters or two groups are swapped', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (data, where) => {
        const characters = Array.from(encodeHumanCode(data).replaceAll('-', ''))
        const at = where % (characters.length - 1)
        const [a = '', b = ''] = [characters[at], characters[at + 1]]
        // A swap across two groups makes both wrong. A swap within a group makes this group wrong.
        if (a !== b)
          expect(
            failure(
              characters
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

  it('is refused by the group that is missing, extra, too short or too long', () => {
    const groups = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).split('-')
    const readMessage = (changed: string[], separator = '-') =>
      failure(changed.join(separator))?.message ?? 'read'
    for (let at = 0; at < groups.length - 2; at++) {
      expect(readMessage(groups.toSpliced(at, 1), '')).toContain(`group ${at + 1} is missing`)
      expect(readMessage(groups.toSpliced(at, 0, groups[at] ?? ''), '')).toContain(
        `an extra group after group ${at + 1}`,
      )
      const short = groups.with(at, (groups[at] ?? '').slice(1))
      expect(readMessage(short)).toContain(`group ${at + 1} has 5 characters instead of 6`)
      expect(readMessage(groups.with(at, `${groups[at] ?? ''}7`), ' ')).toContain(
        `group ${at + 1} has 7 characters instead of 6`,
      )
    }
    expect(readMessage(groups.map((group, i) => (i > 3 && i < 8 ? '000000' : group)))).toContain(
      'groups 5 to 8 are wrong',
    )
    // A single group after the gap could be valid elsewhere by chance, so only the wrong groups are reported.
    expect(readMessage(groups.toSpliced(-2, 1), '')).toContain(`group ${groups.length - 1} is wrong`)
    expect(readMessage(groups.toSpliced(-1, 0, '000000'), '')).toContain(
      `groups ${groups.length}, ${groups.length + 1} are wrong`,
    )
    const [first = '', ...rest] = encodeHumanCode(Uint8Array.from({ length: 7 }, (_, i) => i * 7)).split('-')
    expect(rest.length).toBe(2)
    expect(readMessage([first.slice(1), ...rest])).toContain('group 1 has 5 characters instead of 6')
    expect(failure('hello, this is no code at all whatever')?.code).toBe('CODE_MALFORMED')
    expect(failure(groups.join('-').replace('-', 'U'))?.message).toContain('in group 2')
  })

  it('is refused with an extra character after its last complete group', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 25 }, (_, i) => i * 3))
    expect(code.split('-').map(({ length }) => length)).toEqual(Array(8).fill(6))
    for (const character of ALPHABET) expect(failure(`${code}-${character}`)?.code).toBe('CODE_MISTYPED')
    expect(failure(`${code}7`)?.message).toContain('group 8 has 7 characters instead of 6')
  })

  it('is refused with more characters than its bytes need, or with padding bits set', () => {
    const [a = '', b = ''] = encodeHumanCode(Uint8Array.of(200))
    const filled = ALPHABET.charAt(ALPHABET.indexOf(b) + 1)
    for (const check of ALPHABET)
      for (const data of [`${a}${filled}`, `${a}${b}0`, '0'])
        expect([data, check, failure(`${data}${check}`)]).not.toEqual([data, check, null])
  })

  it('is refused by the group as printed, if typed in groups of another size or with surrounding space', () => {
    const code = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).replaceAll('-', '')
    const wrong = `${code.slice(0, 13)}${code.charAt(13) === '0' ? '1' : '0'}${code.slice(14)}`
    expect(failure(wrong.replace(/(.{5})/g, '$1 '))?.message).toContain('group 3 is wrong')
    expect(failure(`\n ${wrong.replace(/(.{6})/g, '$1 ')}`)?.message).toContain('group 3 is wrong')
  })

  it('is refused with a reason if it is empty, too long or not a code', () => {
    const readFailure = (text: string) => [failure(text)?.code, failure(text)?.message]
    const malformed = (why: string) => ['CODE_MALFORMED', `The text given is not a request code: ${why}.`]
    expect(readFailure('')).toEqual(malformed('it is empty'))
    expect(readFailure(' -\n- ')).toEqual(malformed('it is empty'))
    // The check character of a group of zeros is not zero at any position.
    expect(readFailure('000000-000000-000000')).toEqual([
      'CODE_MISTYPED',
      'The request code was mistyped: groups 1 to 3 are wrong.',
    ])
    expect(readFailure('000000-000000-000000-000000')).toEqual(malformed('none of its groups is valid'))
    expect(readFailure('000000-0000*0-000000')[1]).toMatch(
      /it contains the invalid character .*\*.* in group 2\.$/,
    )
    const longest = encodeHumanCode(new Uint8Array(1041).fill(7))
    expect(longest.replaceAll('-', '').length).toBe(2000)
    expect(decodeHumanCode(longest, 'request code')).toEqual(new Uint8Array(1041).fill(7))
    expect(readFailure(`${longest}0`)).toEqual(malformed('it is too long'))
  })

  it('is refused by the group that is too short, if separators have several characters', () => {
    const groups = encodeHumanCode(Uint8Array.from({ length: 60 }, (_, i) => i * 7)).split('-')
    const short = groups.with(2, (groups[2] ?? '').slice(1))
    expect(failure(short.join(' - '))?.message).toContain('group 3 has 5 characters instead of 6')
  })

  it('is almost never random text, and decoding throws only the documented errors', () => {
    let accepted = 0
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 300 }), fc.stringMatching(/^[0-9A-Z-]{0,100}$/)),
        (text) => {
          const failed = failure(text)
          if (failed === null) accepted++
          else expect(['CODE_MISTYPED', 'CODE_MALFORMED']).toContain(failed.code)
        },
      ),
      { numRuns: Number(process.env.FUZZ_RUNS ?? selectScale(3_000, 20_000)) },
    )
    // One or two groups may be valid by chance. A real code is longer and has a checksum or a MAC.
    expect(accepted).toBeLessThan(200)
    expect(failure('x'.repeat(1_000_000))?.code).toBe('CODE_MALFORMED')
  })
})
