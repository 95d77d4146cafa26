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
  it('stand below each other, their values in one column', () => {
    const lines = formatFields(FIELDS, { name: 'branch', account: 'acme.example' })
    expect(lines).toEqual(['Name:           branch', 'Smart account:  acme.example'])
    expect(parseFields(['title', ...lines], 1, FIELDS, malformed)).toEqual({
      name: 'branch',
      account: 'acme.example',
    })
  })

  it.each([
    [['Smart account: a', 'Name: b'], 'no line "Name:"'],
    [['Name: b'], 'no line "Smart account:"'],
    [['Name b', 'Smart account: a'], 'no line "Name:"'],
    [['xName: b', 'Smart account: a'], 'no line "Name:"'],
  ])('are refused out of their place: %j', (lines, why) => {
    expect(() => parseFields(lines, 0, FIELDS, malformed)).toThrow(why)
  })

  it('may be empty', () => {
    expect(parseFields(['Name:', 'Smart account:'], 0, FIELDS, malformed)).toEqual({ name: '', account: '' })
  })
})

describe('sections', () => {
  const read = (lines: string[], from = 0) => parseSections(lines, from, ['Licenses', 'Ended'], malformed)

  it('are read as they were written, the last one with or without its empty line', () => {
    const lines = [...formatSection('Licenses', ['a 1', '  b 2']), ...formatSection('Ended', [])]
    expect(lines).toEqual(['Licenses:', '  a 1', '    b 2', '', 'Ended:', '  none', ''])
    const sections = { Licenses: ['a 1', '  b 2'], Ended: [] }
    expect(read(lines)).toEqual(sections)
    expect(read(lines.slice(0, -1))).toEqual(sections)
    expect(read(['title', ...lines, '', ''], 1)).toEqual(sections)
  })

  it('of two rows, one of them called none, has both', () => {
    expect(read(['Licenses:', '  none', '  none', '', 'Ended:', '  none']).Licenses).toEqual(['none', 'none'])
  })

  it.each([
    [['Ended:', '  none', ''], 'no section "Licenses:"'],
    [['Licenses:', '  none', '', 'Other:', '  none'], 'no section "Ended:"'],
    [['Licenses:', '', 'Ended:', '  none'], '"Licenses:" is empty'],
    [['Licenses:', '  none', 'Ended:', '  none'], '"Licenses:" does not end'],
    [['Licenses:', '  none', '', 'Ended:', '  none', '', 'more'], 'something follows'],
    [['Licenses:', '  none', '', 'Ended:', '  none', 'more'], '"Ended:" does not end'],
    [[], 'no section "Licenses:"'],
  ])('are refused out of their place: %j', (lines, why) => {
    expect(() => read(lines)).toThrow(why)
  })
})

describe('rows', () => {
  it('are read one by one, and one that is not of its form is shown, cut to 80 signs', () => {
    const number = (row: string) => (/^\d+$/.test(row) ? Number(row) : null)
    expect(parseRows(['1', '2'], 'numbers', number, malformed)).toEqual([1, 2])
    expect(() => parseRows(['1', 'x'.repeat(99)], 'numbers', number, malformed)).toThrow(
      `a row of numbers is not of its form: "${'x'.repeat(80)}"`,
    )
  })

  it('are words, and texts in quotation marks with any sign in them', () => {
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

  it('a text is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const [first, word, second, ...rest] = parseWords(`${quote(a)} of ${quote(b)}`)
        expect([unquote(first), word, unquote(second), rest]).toEqual([a, 'of', b, []])
      }),
    )
  })

  it.each([undefined, '', 'bare', '5', '"open', '"', '"\\u0061"', '"a" ', '"a"b', 'null', '["a"]'])(
    'a word that no text is written as is none: %j',
    (word) => {
      expect(unquote(word)).toBeNull()
    },
  )
})

describe('a long word', () => {
  it.each([
    [0, []],
    [1, [1]],
    [64, [64]],
    [65, [64, 1]],
    [130, [64, 64, 2]],
  ])('of %i signs goes over rows of 64', (length, rows) => {
    const text = 'x'.repeat(length)
    expect(wrap(text).map((row) => row.length)).toEqual(rows)
    expect(wrap(text).join('')).toBe(text)
  })
})

describe('bundles of roots in a file', () => {
  const bundles = ['{"number":2}', `{"text":"${'é'.repeat(90)}"}`]

  it('are its last section, found again however its lines ended', () => {
    const lines = ['title', '', ...formatRotations(bundles)]
    expect(parseRotations(lines)).toEqual(bundles)
    for (const end of ['\n', '\r\n', '\r', ' \n']) expect(extractRotations(lines.join(end))).toEqual(bundles)
    expect(formatRotations([])).toEqual([])
  })

  it('are those of the last section of the name, where an earlier row looks like one', () => {
    expect(parseRotations([...formatRotations(['old']), ...formatRotations(bundles)])).toEqual(bundles)
  })

  it('are the rows below its head, and no others', () => {
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
  ])('are none where there are none: %j', (lines) => {
    expect(parseRotations(lines)).toEqual([])
  })

  it('what is no text among them is left out', () => {
    const rows = wrap(Buffer.from('["a",1,null,"b"]').toString('base64url')).map((row) => `  ${row}`)
    expect(parseRotations(['Trust bundles:', ...rows])).toEqual(['a', 'b'])
  })
})
