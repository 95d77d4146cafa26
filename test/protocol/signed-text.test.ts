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
/** Returns the error code and message with which a text is refused. */
const refusalOf = (text: string, maxLength?: number) => getRefusal(() => read(text, maxLength))
const edit = (from: string | RegExp, to: string) => fileOf().replace(from, to)

describe('a signed text', () => {
  it('is parsed to its lines, certificates, signature and the text that the signature covers', () => {
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

  it('ends with its signature in rows of 64 characters and one line feed', () => {
    const rows = fileOf().split('\n')
    expect(rows.slice(-5).map(({ length }) => length)).toEqual([
      '-----BEGIN SIGNATURE-----'.length,
      64,
      24,
      '-----END SIGNATURE-----'.length,
      0,
    ])
  })

  it('is unaffected by changes to line endings and trailing blanks', () => {
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

  it('keeps a byte order mark that is not its first character', () => {
    const lines = [TITLE, 'a\uFEFFb', '\uFEFF', 'end']
    expect(read(fileOf(lines)).lines).toEqual(lines)
  })

  it('covers the certificates as separate lines, with any line ending', () => {
    const pem = certificate('leaf')
    expect(formatTextToSign(['a '], [`\n${pem.replaceAll('\n', '\r\n')}\n`])).toBe(`a\n${pem.trimEnd()}`)
    expect(formatTextToSign(['a', '', ''], [])).toBe('a')
  })

  it('is parsed to what was formatted for any lines without markers', () => {
    const line = fc.string().map((text) => text.replace(/[\r\n\u0000\uFEFF]/g, '').trimEnd())
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const all = [TITLE, ...lines.filter((text) => !text.startsWith('-----')), 'end']
        expect(read(fileOf(all)).lines).toEqual(all)
      }),
    )
  })
})

describe('a signed text is refused', () => {
  it.each<[string, string, string]>([
    ['if it is empty', '', 'SIGNED_FILE_MALFORMED: The some file cannot be used: it is empty.'],
    ['if it has only blanks', ' \n\t', 'SIGNED_FILE_MALFORMED: The some file cannot be used: it is empty.'],
    ['if it is UTF-16', fileOf().split('').join('\u0000'), 'not plain text in UTF-8'],
    [
      'with another title',
      edit(TITLE, 'OTHER FILE'),
      `MALFORMED: The some file cannot be used: it does not begin with the line "${TITLE}"`,
    ],
    [
      'with text before it',
      `Hello,\n${fileOf()}`,
      'ALTERED: The some file cannot be used: text was added before its first line',
    ],
    [
      'with text after it',
      `${fileOf()}-- \nme`,
      'ALTERED: The some file cannot be used: text was added after its last line',
    ],
    [
      'without its last line',
      fileOf().slice(0, -20),
      'TRUNCATED: The some file cannot be used: its last lines are missing',
    ],
    ['without its signature', edit(/-----BEGIN SIGNATURE-----[^]*$/, ''), 'TRUNCATED'],
    ['without the first line of its signature', edit('-----BEGIN SIGNATURE-----\n', ''), 'TRUNCATED'],
  ])('%s', (_, text, why) => {
    expect(refusalOf(text)).toContain(why)
  })

  const ofSignature = 'ALTERED: The some file cannot be used: its signature lines were changed'
  const encoded = SIGNATURE.toString('base64')
  it.each<[string, string]>([
    ['of 63 bytes', Buffer.alloc(63).toString('base64')],
    ['of 65 bytes', Buffer.alloc(65).toString('base64')],
    ['of no bytes', ''],
    ['in one row', encoded],
    ['in shorter rows', `${encoded.slice(0, 60)}\n${encoded.slice(60)}`],
    ['with an empty row', `${encoded.slice(0, 64)}\n\n${encoded.slice(64)}`],
    ['that is not canonical base64', `${encoded.slice(0, 64)}\n${encoded.slice(64).replace('==', '')}`],
    [
      'with characters that are not base64',
      `${encoded.slice(0, 64)}\n${encoded.slice(64).replace('=', '*')}`,
    ],
  ])('with a signature %s', (_, signature) => {
    expect(refusalOf(edit(/(?<=SIGNATURE-----\n)[^-]*(?=\n-----END SIG)/, signature))).toContain(ofSignature)
  })

  const ofCertificates = 'ALTERED: The some file cannot be used: its certificates were changed'
  it.each<[string, string]>([
    ['if it has more than four certificates', fileOf(LINES, ['a', 'b', 'c', 'd', 'e'].map(certificate))],
    [
      'with a line between its certificates',
      edit('-----END CERTIFICATE-----\n-----BEGIN', '-----END CERTIFICATE-----\nmore\n-----BEGIN'),
    ],
    [
      'with a line after its certificates',
      edit('-----END CERTIFICATE-----\n-----BEGIN SIG', '-----END CERTIFICATE-----\nmore\n-----BEGIN SIG'),
    ],
    [
      'if a certificate has no first line',
      edit('END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----', 'END CERTIFICATE-----\nmore'),
    ],
    [
      'if a certificate has no last line',
      edit('-----END CERTIFICATE-----\n-----BEGIN SIG', '-----BEGIN SIG'),
    ],
    ['if a certificate is not base64', edit(Buffer.from('leaf').toString('base64'), 'le*f')],
    ['if a certificate is not canonical base64', edit(Buffer.from('leaf').toString('base64'), 'bGVhZh==')],
  ])('%s', (_, text) => {
    expect(refusalOf(text)).toContain(ofCertificates)
  })

  it('beyond maxLength, by default 100,000 characters', () => {
    const padded = (length: number) => fileOf().padEnd(length, '\n')
    expect(refusalOf(padded(100_000))).toBe('not refused')
    expect(refusalOf(padded(100_001))).toContain(
      'MALFORMED: The some file cannot be used: it is far too large',
    )
    expect(refusalOf(padded(100_001), 100_001)).toBe('not refused')
    expect(refusalOf(padded(100_002), 100_001)).toContain('it is far too large')
  })
})
