import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  extractRotations,
  parseRotations,
  quote,
  parseFields,
  parseRows,
  parseSections,
  unquote,
  parseWords,
  wrap,
  formatRotations,
  formatFields,
  formatSection,
} from '../../src/protocol/text-format.ts'

const malformed = (why: string) => new RangeError(why)
const FIELDS = [
  ['Name', 'name'],
  ['Smart account', 'account'],
] as const

describe('fields', () => {
  it('are formatted one per line, with the values aligned', () => {
    const lines = formatFields(FIELDS, { name: 'branch', account: 'acme.example' })
    expect(lines).toEqual(['Name:           branch', 'Smart account:  acme.example'])
    expect(parseFields(['title', ...lines], 1, FIELDS, malformed)).toEqual({
      name: 'branch',
      account: 'acme.example',
    })
  })

  it.each([
    [['Smart account: a', 'Name: b'], 'the line "Name:" is missing'],
    [['Name: b'], 'the line "Smart account:" is missing'],
    [['Name b', 'Smart account: a'], 'the line "Name:" is missing'],
    [['xName: b', 'Smart account: a'], 'the line "Name:" is missing'],
  ])('are refused if missing or misplaced: %j', (lines, why) => {
    expect(() => parseFields(lines, 0, FIELDS, malformed)).toThrow(why)
  })

  it('may be empty', () => {
    expect(parseFields(['Name:', 'Smart account:'], 0, FIELDS, malformed)).toEqual({ name: '', account: '' })
  })
})

describe('sections', () => {
  const read = (lines: string[], from = 0) => parseSections(lines, from, ['Licenses', 'Ended'], malformed)

  it('are parsed to what was formatted, with or without the last empty line', () => {
    const lines = [...formatSection('Licenses', ['a 1', '  b 2']), ...formatSection('Ended', [])]
    expect(lines).toEqual(['Licenses:', '  a 1', '    b 2', '', 'Ended:', '  none', ''])
    const sections = { Licenses: ['a 1', '  b 2'], Ended: [] }
    expect(read(lines)).toEqual(sections)
    expect(read(lines.slice(0, -1))).toEqual(sections)
    expect(read(['title', ...lines, '', ''], 1)).toEqual(sections)
  })

  it('keep a row "none" beside another row', () => {
    expect(read(['Licenses:', '  none', '  none', '', 'Ended:', '  none']).Licenses).toEqual(['none', 'none'])
  })

  it.each([
    [['Ended:', '  none', ''], 'the section "Licenses:" is missing'],
    [['Licenses:', '  none', '', 'Other:', '  none'], 'the section "Ended:" is missing'],
    [['Licenses:', '', 'Ended:', '  none'], '"Licenses:" is empty'],
    [['Licenses:', '  none', 'Ended:', '  none'], '"Licenses:" does not end'],
    [['Licenses:', '  none', '', 'Ended:', '  none', '', 'more'], 'there is text after'],
    [['Licenses:', '  none', '', 'Ended:', '  none', 'more'], '"Ended:" does not end'],
    [[], 'the section "Licenses:" is missing'],
  ])('are refused if missing, empty or misplaced: %j', (lines, why) => {
    expect(() => read(lines)).toThrow(why)
  })
})

describe('rows', () => {
  it('are parsed one by one, and an invalid row is quoted with at most 80 characters', () => {
    const number = (row: string) => (/^\d+$/.test(row) ? Number(row) : null)
    expect(parseRows(['1', '2'], 'numbers', number, malformed)).toEqual([1, 2])
    expect(() => parseRows(['1', 'x'.repeat(99)], 'numbers', number, malformed)).toThrow(
      `a row of numbers is not valid: "${'x'.repeat(80)}"`,
    )
  })

  it('consist of words and of quoted texts with any characters', () => {
    expect(parseWords('license HOST  5 "Head \\"office\\" \\\\" x"y')).toEqual([
      'license',
      'HOST',
      '5',
      '"Head \\"office\\" \\\\"',
      'x"y',
    ])
    expect(parseWords('')).toEqual([])
    expect(parseWords('"" "a b"')).toEqual(['""', '"a b"'])
  })

  it('restore any quoted text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const [first, word, second, ...rest] = parseWords(`${quote(a)} of ${quote(b)}`)
        expect([unquote(first), word, unquote(second), rest]).toEqual([a, 'of', b, []])
      }),
    )
  })

  it.each([undefined, '', 'bare', '5', '"open', '"', '"\\u0061"', '"a" ', '"a"b', 'null', '["a"]'])(
    'have no text for a word that is not in quoted form: %j',
    (word) => {
      expect(unquote(word)).toBeNull()
    },
  )
})

describe('a long word of', () => {
  it.each([
    [0, []],
    [1, [1]],
    [64, [64]],
    [65, [64, 1]],
    [130, [64, 64, 2]],
  ])('%i characters is wrapped into rows of 64', (length, rows) => {
    const text = 'x'.repeat(length)
    expect(wrap(text).map((row) => row.length)).toEqual(rows)
    expect(wrap(text).join('')).toBe(text)
  })
})

describe('root rotations in a file', () => {
  const bundles = ['{"number":2}', `{"text":"${'é'.repeat(90)}"}`]

  it('are extracted from the last section with any line ending', () => {
    const lines = ['title', '', ...formatRotations(bundles)]
    expect(parseRotations(lines)).toEqual(bundles)
    for (const end of ['\n', '\r\n', '\r', ' \n']) expect(extractRotations(lines.join(end))).toEqual(bundles)
    expect(formatRotations([])).toEqual([])
  })

  it('are taken from the last section if there are several', () => {
    expect(parseRotations([...formatRotations(['old']), ...formatRotations(bundles)])).toEqual(bundles)
  })

  it('are only the rows below the heading', () => {
    expect(parseRotations(['  a row', ...formatRotations(bundles), 'more'])).toEqual(bundles)
    expect(parseRotations(['title', ...formatRotations(bundles).slice(1)])).toEqual([])
  })

  it.each([
    [['title']],
    [['Trust bundles:']],
    [['Trust bundles:', '  ****']],
    [['Trust bundles:', `  ${Buffer.from('{"a":1}').toString('base64url')}`]],
    [['Trust bundles:', `  ${Buffer.from('[1]').toString('base64url')}`]],
    [['Trust bundles:', `x ${Buffer.from('["a"]').toString('base64url')}`]],
  ])('are empty for lines without valid rotations: %j', (lines) => {
    expect(parseRotations(lines)).toEqual([])
  })

  it('omit values that are not strings', () => {
    const rows = wrap(Buffer.from('["a",1,null,"b"]').toString('base64url')).map((row) => `  ${row}`)
    expect(parseRotations(['Trust bundles:', ...rows])).toEqual(['a', 'b'])
  })
})
