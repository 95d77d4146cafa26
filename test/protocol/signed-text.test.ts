import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseSignedText, formatTextToSign, formatSignedText } from '../../src/protocol/signed-text.ts'
import { getRefusal } from '../support/refusal.ts'

const TITLE = 'SOME FILE, version 1'
const SIGNATURE = Buffer.alloc(64, 0xa5)
const certificate = (text: string) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(text).toString('base64')}\n-----END CERTIFICATE-----\n`
const LINES = [TITLE, '', 'Name:  some', '  a row']
const fileOf = (
  lines: readonly string[] = LINES,
  certificates: readonly string[] = ['leaf', 'issuer'].map(certificate),
) => formatSignedText(formatTextToSign(lines, certificates), SIGNATURE)
const read = (text: string, maxLength?: number) =>
  parseSignedText(text, { what: 'some file', title: TITLE, ...(maxLength !== undefined && { maxLength }) })
/** The code and the reason with which a text is refused. */
const refusalOf = (text: string, maxLength?: number) => getRefusal(() => read(text, maxLength))
const edit = (from: string | RegExp, to: string) => fileOf().replace(from, to)

describe('a signed text', () => {
  it('is read as it was written: its lines, its certificates, its signature, and what was signed', () => {
    expect(read(fileOf())).toEqual({
      signed: formatTextToSign(LINES, ['leaf', 'issuer'].map(certificate)),
      lines: LINES,
      certificates: ['leaf', 'issuer'].map(certificate),
      signature: SIGNATURE,
    })
    expect(read(fileOf(LINES, []))).toMatchObject({
      lines: LINES,
      certificates: [],
      signed: LINES.join('\n'),
    })
    expect(read(fileOf(LINES, ['a', 'b', 'c', 'd'].map(certificate))).certificates).toHaveLength(4)
  })

  it('ends with its signature in rows of 64 signs, and one line end', () => {
    const rows = fileOf().split('\n')
    expect(rows.slice(-5).map(({ length }) => length)).toEqual([
      '-----BEGIN SIGNATURE-----'.length,
      64,
      24,
      '-----END SIGNATURE-----'.length,
      0,
    ])
  })

  it('is the same whatever a mail program does to the ends of its lines', () => {
    const whole = read(fileOf())
    for (const changed of [
      fileOf().replaceAll('\n', '\r\n'),
      fileOf().replaceAll('\n', '\r'),
      fileOf().replaceAll('\n', ' \t \n'),
      `\uFEFF${fileOf()}`,
      `${fileOf()}\n\n  \n`,
      fileOf().trimEnd(),
    ])
      expect(read(changed)).toEqual(whole)
  })

  it('keeps a byte order mark that is not its first sign', () => {
    const lines = [TITLE, 'a\uFEFFb', '\uFEFF', 'end']
    expect(read(fileOf(lines)).lines).toEqual(lines)
  })

  it('signs certificates as lines of their own, however their own lines end', () => {
    const pem = certificate('leaf')
    expect(formatTextToSign(['a '], [`\n${pem.replaceAll('\n', '\r\n')}\n`])).toBe(`a\n${pem.trimEnd()}`)
    expect(formatTextToSign(['a', '', ''], [])).toBe('a')
  })

  it('of whatever lines without a mark of its own is read as it was written', () => {
    const line = fc.string().map((text) => text.replace(/[\r\n\u0000\uFEFF]/g, '').trimEnd())
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const all = [TITLE, ...lines.filter((one) => !one.startsWith('-----')), 'end']
        expect(read(fileOf(all)).lines).toEqual(all)
      }),
    )
  })
})

describe('a text is refused', () => {
  it.each<[string, string, string]>([
    ['empty', '', 'SIGNED_FILE_MALFORMED: The some file cannot be used: it is empty.'],
    ['of blanks', ' \n\t', 'SIGNED_FILE_MALFORMED: The some file cannot be used: it is empty.'],
    ['of two bytes a sign', fileOf().split('').join('\u0000'), 'not plain text in UTF-8'],
    [
      'of another kind',
      edit(TITLE, 'OTHER FILE'),
      `MALFORMED: The some file cannot be used: it does not begin with the line "${TITLE}"`,
    ],
    [
      'with something before it',
      `Hello,\n${fileOf()}`,
      'ALTERED: The some file cannot be used: something was added before its first line',
    ],
    [
      'with something after it',
      `${fileOf()}-- \nme`,
      'ALTERED: The some file cannot be used: something was added after its last line',
    ],
    [
      'without its end',
      fileOf().slice(0, -20),
      'TRUNCATED: The some file cannot be used: its last lines are missing',
    ],
    ['without its signature', edit(/-----BEGIN SIGNATURE-----[^]*$/, ''), 'TRUNCATED'],
    ['without the head of its signature', edit('-----BEGIN SIGNATURE-----\n', ''), 'TRUNCATED'],
  ])('%s', (_, text, why) => {
    expect(refusalOf(text)).toContain(why)
  })

  const ofSignature = 'ALTERED: The some file cannot be used: its signature is not as it was written'
  const encoded = SIGNATURE.toString('base64')
  it.each<[string, string]>([
    ['of one byte less', Buffer.alloc(63).toString('base64')],
    ['of one byte more', Buffer.alloc(65).toString('base64')],
    ['of none', ''],
    ['in one row', encoded],
    ['in other rows', `${encoded.slice(0, 60)}\n${encoded.slice(60)}`],
    ['with a row of blanks', `${encoded.slice(0, 64)}\n\n${encoded.slice(64)}`],
    ['in another spelling', `${encoded.slice(0, 64)}\n${encoded.slice(64).replace('==', '')}`],
    ['with other signs', `${encoded.slice(0, 64)}\n${encoded.slice(64).replace('=', '*')}`],
  ])('with a signature %s', (_, signature) => {
    expect(refusalOf(edit(/(?<=SIGNATURE-----\n)[^-]*(?=\n-----END SIG)/, signature))).toContain(ofSignature)
  })

  const ofCertificates =
    'ALTERED: The some file cannot be used: its certificates are not as they were written'
  it.each<[string, string]>([
    ['more than four', fileOf(LINES, ['a', 'b', 'c', 'd', 'e'].map(certificate))],
    [
      'with a line between',
      edit('-----END CERTIFICATE-----\n-----BEGIN', '-----END CERTIFICATE-----\nmore\n-----BEGIN'),
    ],
    [
      'with a line after',
      edit('-----END CERTIFICATE-----\n-----BEGIN SIG', '-----END CERTIFICATE-----\nmore\n-----BEGIN SIG'),
    ],
    [
      'one with another head',
      edit('END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----', 'END CERTIFICATE-----\nmore'),
    ],
    ['one without its end', edit('-----END CERTIFICATE-----\n-----BEGIN SIG', '-----BEGIN SIG')],
    ['one that is no base64', edit(Buffer.from('leaf').toString('base64'), 'le*f')],
    ['one in another spelling', edit(Buffer.from('leaf').toString('base64'), 'bGVhZh==')],
  ])('with certificates %s', (_, text) => {
    expect(refusalOf(text)).toContain(ofCertificates)
  })

  it('beyond its length, which is 100,000 signs unless its kind may have more', () => {
    const padded = (length: number) => fileOf().padEnd(length, '\n')
    expect(refusalOf(padded(100_000))).toBe('not refused')
    expect(refusalOf(padded(100_001))).toContain(
      'MALFORMED: The some file cannot be used: it is far too large',
    )
    expect(refusalOf(padded(100_001), 100_001)).toBe('not refused')
    expect(refusalOf(padded(100_002), 100_001)).toContain('it is far too large')
  })
})
