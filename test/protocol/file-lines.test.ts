import { describe, expect, it } from 'vitest'
import { defineProfile } from '../../src/core/profile.ts'
import { toIsoString } from '../../src/core/time.ts'
import {
  type Authorization,
  parseIssuedAt,
  parseAuthorization,
  formatAuthorization,
} from '../../src/protocol/authorization-file.ts'
import { parseSyncAnswer, type SyncAnswer, formatSyncAnswer } from '../../src/protocol/sync-answer.ts'
import { parseSyncRequest, type SyncRequest, formatSyncRequest } from '../../src/protocol/sync-request.ts'
import { getRefusal } from '../support/refusal.ts'

/** Lines of offline files in which one line is not valid, as another program with a valid signature could write them. */

const AT = Date.UTC(2027, 0, 1)
const END = Date.UTC(2028, 0, 1)
const [id, other] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']
const HASH = 'h'.repeat(43)
// The last of 43 characters encodes only four bits.
const KEY = `${'k'.repeat(42)}A`

const joined = (lines: readonly string[]) => lines.join('\n')
/** Returns the lines with the value of a field changed. */
const withField = (lines: readonly string[], label: string, value: string): string[] => {
  expect(lines.some((line) => line.startsWith(`${label}:`))).toBe(true)
  return lines.map((line) => (line.startsWith(`${label}:`) ? `${label}: ${value}` : line))
}
/** Returns the lines with the first occurrence of a text changed. */
const withText = (lines: readonly string[], from: string, to: string): string[] => {
  expect(joined(lines)).toContain(from)
  return joined(lines).replace(from, to).split('\n')
}
const without = (lines: readonly string[], at: number) => lines.filter((_, i) => i !== at)

/** Values that are almost valid. */
const wrongNumbers = ['x3', '3x', '03', '-1', '1.5', '']
const wrongTimes = ['2027-01-01T00:00:00Z', '2027-01-01', 'never']
const wrongIds = ['', 'x', `${id}0`]
const wrongOf = (good: string) => [`${good}x`, `x${good}`, good.slice(1), good.replace(/^./, '+')]

describe('an authorization file', () => {
  const authorization: Authorization = {
    udi: { pid: 'CONF', serial: '0001', version: '4.0' },
    smartAccount: 'acme.example',
    virtualAccount: 'Default',
    authorityId: id,
    reservationId: other,
    request: 3,
    sequence: 2,
    epoch: 1,
    issuedAt: AT,
    trustBundle: 1,
    deviceKey: KEY,
    authorityKey: KEY,
    licenses: [
      { tag: 'HOST', count: 5, endsAt: END, name: 'Host  License' },
      { tag: 'MDC-MEDIUM', count: 1, endsAt: null, name: 'x' },
    ],
    mandate: `${'m'.repeat(70)}.x`,
    trustBundles: ['one', 'two'],
  }
  const lines = formatAuthorization(authorization)
  const refused = (changed: readonly string[]) => getRefusal(() => parseAuthorization(changed))

  it('is parsed to what was formatted, with or without a delegation and root rotations', () => {
    for (const more of [
      {},
      { mandate: null },
      { trustBundles: [] },
      { mandate: null, trustBundles: [] },
      { licenses: [{ tag: 'HOST', count: 999_999, endsAt: null, name: 'License' }] },
    ]) {
      const one = { ...authorization, ...more }
      expect(parseAuthorization(formatAuthorization(one))).toEqual(one)
    }
  })

  it('lists its licenses in columns', () => {
    const rows = lines.filter((line) => /perpetual|until/.test(line))
    expect(rows).toEqual([
      `  HOST               5  until ${toIsoString(END)}  Host  License`,
      '  MDC-MEDIUM         1  perpetual  x',
    ])
  })

  it('has an issue time that can be read before the signature is verified', () => {
    expect(parseIssuedAt(lines)).toBe(AT)
    expect([parseIssuedAt([]), parseIssuedAt(['Issued: never'])]).toEqual([0, 0])
  })

  it.each<[string, string[]]>([
    ['another title', withText(lines, lines[0] ?? '', 'OTHER')],
    ['no empty line below its title', ['x', ...lines.slice(1)].toSpliced(0, 2, lines[0] ?? '', 'x')],
    ['a field too many', lines.toSpliced(3, 0, 'More: x')],
    ['a field less', without(lines, 5)],
    ['no empty line above its licenses', withText(lines, '\n\nReserved', '\nx\nReserved')],
    ['no licenses', lines.slice(0, lines.indexOf('Reserved licenses:'))],
  ])('is refused with %s', (_, changed) => {
    expect(refused(changed)).toBe(
      'SIGNED_FILE_MALFORMED: The authorization file cannot be used: its lines are not in the expected order.',
    )
  })

  it('is refused with a remedy', () => {
    expect(() => parseAuthorization([])).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('Update this program') as unknown }) as Error,
    )
  })

  it.each<[string, string, string[]]>([
    ['Product', 'product', ['', 'a b']],
    ['Authority', 'authorityId', wrongIds],
    ['Reservation', 'reservationId', wrongIds],
    ['Smart account', 'smartAccount', ['']],
    ['Virtual account', 'virtualAccount', ['']],
    ['Request', 'request', wrongNumbers],
    ['Authorization', 'sequence', wrongNumbers],
    ['Epoch', 'epoch', wrongNumbers],
    ['Trust bundle', 'trustBundle', wrongNumbers],
    ['Issued', 'issuedAt', wrongTimes],
    ['Device key', 'deviceKey', [...wrongOf(KEY), `${'k'.repeat(42)}B`]],
    ['Authority key', 'authorityKey', wrongOf(KEY)],
  ])('is refused if its field %s is not valid', (label, name, values) => {
    for (const value of values)
      expect(refused(withField(lines, label, value)), value).toContain(`the field ${name} is not valid`)
  })

  it.each([
    ['  HOST  ', ' HOST  '],
    ['  HOST  ', 'x  HOST  '],
    ['  HOST  ', '  host  '],
    ['       5  until', '       0  until'],
    ['       5  until', '       many  until'],
    [`until ${toIsoString(END)}`, 'until 2028-01-01'],
    [`until ${toIsoString(END)}`, 'forever'],
    ['1  perpetual  x', '1  perpetual  '],
    ['1  perpetual  x', '1  perpetual  x\u2028y'],
  ])('is refused if a license has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a reserved license is not valid')
  })

  it('is refused without reserved licenses', () => {
    const at = lines.indexOf('Reserved licenses:')
    const none = [...lines.slice(0, at + 1), '', ...lines.slice(lines.indexOf('Mandate:'))]
    expect(refused(none)).toContain('it has no reserved licenses')
  })

  it('is refused if its delegation is not a section', () => {
    expect(refused(withText(lines, 'Mandate:\n', 'Mandate:\nx\n'))).toContain('"Mandate:" is empty')
  })
})

describe('a synchronization request', () => {
  const request: SyncRequest = {
    name: 'branch',
    satelliteId: id,
    smartAccount: 'acme.example',
    epoch: 1,
    exchange: 4,
    after: 3,
    afterAnswer: HASH,
    report: 'full',
    writtenAt: AT,
    nonce: 'n'.repeat(32),
    key: 'k'.repeat(124),
    enrollment: HASH,
    redactedFields: [],
    issuingCa: 'QUJD',
    serverNames: ['licenses.branch.example', '192.0.2.7', '2001:db8::7'],
    virtualAccounts: [{ name: 'Here', of: 'There' }],
    instances: [
      {
        kind: 'registered',
        id,
        pid: 'CONF',
        serial: '0001',
        version: '4.0',
        virtualAccount: 'Here',
        since: AT,
        hostname: 'h'.repeat(253),
        licenses: [
          { tag: 'HOST', count: 5, endsAt: null },
          { tag: 'MDC', count: 1, endsAt: END },
        ],
      },
      {
        kind: 'reserved',
        id: '00000000-0000-4000-8000-000000000003',
        pid: 'CONF',
        serial: `sha256:${HASH}`,
        version: '4.0',
        virtualAccount: 'Here',
        since: AT,
        hostname: null,
        licenses: [],
      },
    ],
    ended: [{ id: other, how: 'deregistered' }],
    totals: { registered: 1, reserved: 2, use: [{ tag: 'HOST', count: 5 }] },
  }
  const lines = formatSyncRequest(request)
  const refused = (changed: readonly string[]) => getRefusal(() => parseSyncRequest(changed))

  it('is parsed to what was formatted', () => {
    expect(parseSyncRequest(lines)).toEqual(request)
  })

  it('is refused with another title or without the empty line below the title', () => {
    const order = 'its lines are not in the expected order'
    expect(refused(['OTHER', ...lines.slice(1)])).toContain(order)
    expect(refused(lines.toSpliced(1, 1, 'x'))).toContain(order)
    expect(() => parseSyncRequest([])).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('sync export') as unknown }) as Error,
    )
  })

  it.each<[string, string, string[]]>([
    ['Satellite', 'name', ['branch', '""', '5']],
    ['Satellite id', 'satelliteId', wrongIds],
    ['Smart account', 'smartAccount', ['']],
    ['Exchange', 'exchange', [...wrongNumbers, '0']],
    ['Epoch', 'epoch', [...wrongNumbers, '0']],
    ['After exchange', 'after', wrongNumbers],
    ['After answer', 'afterAnswer', wrongOf(HASH)],
    ['Report', 'report', ['', 'some']],
    ['Written', 'writtenAt', wrongTimes],
    ['Nonce', 'nonce', wrongOf('n'.repeat(32))],
    ['Left out', 'redactedFields', ['everything', '']],
    ['Enrollment', 'enrollment', wrongOf(HASH)],
    ['Satellite key', 'key', ['k'.repeat(79), 'k'.repeat(161), `+${'k'.repeat(80)}`, `${'k'.repeat(80)}+`]],
  ])('is refused if its field %s is not valid', (label, name, values) => {
    for (const value of values)
      expect(refused(withField(lines, label, value)), value).toContain(`the field ${name} is not valid`)
  })

  it.each([
    ['"Here" of "There"', '"Here" in "There"'],
    ['"Here" of "There"', 'Here of "There"'],
    ['"Here" of "There"', '"Here" of There'],
    ['"Here" of "There"', '"Here" of "There" more'],
    ['"Here" of "There"', '"Here" of'],
  ])('is refused if a virtual account has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a row of virtual accounts is not valid')
  })

  it.each([
    ['registered 0000', 'expired 0000'],
    [`registered ${id}`, 'registered x'],
    ['CONF 0001', 'CO/é 0001'],
    ['0001 4.0', '0001 "4 0"'],
    [`sha256:${HASH}`, `x:sha256:${HASH}`],
    [`sha256:${HASH}`, `sha256:${HASH}x`],
    [`since ${toIsoString(AT)} on`, `since +00${toIsoString(AT)} on`],
    ['4.0 "Here" since', '4.0 Here since'],
    ['4.0 "Here" since', '4.0 "" since'],
    ['4.0 "Here" since', '4.0 "Here" until'],
    [`since ${toIsoString(AT)} on`, 'since 2027-01-01 on'],
    [`since ${toIsoString(AT)} on`, `since x${toIsoString(AT)} on`],
    [`since ${toIsoString(AT)} on`, `since ${toIsoString(AT)}x on`],
    [`since ${toIsoString(AT)} on`, 'since 2027-13-01T00:00:00.000Z on'],
    [' on "', ' at "'],
    [' on "h', ' on h"h'],
    [' on "h', ' on "hh'],
    ['HOST=5 ', 'HOST=many '],
    ['HOST=5 ', 'host=5 '],
    ['HOST=5 ', '+HOST=5 '],
    ['HOST=5 ', 'HOST=5+ '],
    ['HOST=5 ', 'HOST=99999999 '],
    [`MDC=1/${toIsoString(END)}`, 'MDC=1/2028-01-01'],
    [`MDC=1/${toIsoString(END)}`, 'MDC=1/'],
  ])('is refused if a product instance has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a row of product instances is not valid')
  })

  it.each([
    ['2 deregistered', '2 gone'],
    [`${other} deregistered`, 'x deregistered'],
    ['2 deregistered', '2 deregistered today'],
    ['2 deregistered', '2'],
  ])('is refused if an ended instance has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a row of ended instances is not valid')
  })

  it.each([
    ['registered 1', 'registered one'],
    ['registered 1', 'registered 1 more'],
    ['registered 1', 'present 1'],
    ['reserved 2', 'reserved'],
    ['HOST 5 in use', 'host 5 in use'],
    ['HOST 5 in use', 'HOST five in use'],
    ['HOST 5 in use', 'HOST 5 in store'],
    ['HOST 5 in use', 'HOST 5'],
  ])('is refused if its totals have %j changed to %j', (from, to) => {
    expect(refused(withText(lines, `  ${from}`, `  ${to}`))).toContain('its totals are not valid')
  })

  it('is refused without its totals', () => {
    const at = lines.indexOf('  registered 1')
    expect(lines.slice(at, at + 3)).toEqual(['  registered 1', '  reserved 2', '  HOST 5 in use'])
    expect(refused(lines.toSpliced(at, 3))).toContain('the section "Totals:" is empty')
    expect(refused(lines.toSpliced(at + 1, 2))).toContain('its totals are not valid')
  })

  it('is refused if a product instance occurs twice or its certificate request is not base64', () => {
    expect(refused(withText(lines, other, id))).toContain('it lists a product instance twice')
    for (const text of ['*QUJD', 'QUJD*', 'QU JD'])
      expect(refused(withText(lines, 'QUJD', text))).toContain(
        'the section "Issuing CA request:" was changed',
      )
  })
})

describe('a synchronization answer', () => {
  const PEM = '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----'
  const answer: SyncAnswer = {
    name: 'branch',
    satelliteId: id,
    smartAccount: 'acme.example',
    managerId: other,
    epoch: 1,
    exchange: 4,
    request: HASH,
    outcome: 'accepted',
    code: 'SATELLITE_REMOVED',
    message: 'why',
    remedy: 'what',
    answeredAt: AT,
    warnAt: AT,
    restrictAt: END,
    automaticUntil: END,
    softwareVersion: '5.0',
    profile: defineProfile({ name: 'router', tags: [{ tag: 'TUNNEL' }] }),
    trustBundle: 1,
    root: PEM,
    issuingCa: `${PEM}\n${PEM}`,
    mandate: 'a_b-c.d',
    trustBundles: ['one'],
    virtualAccounts: [
      { name: 'Here', home: true },
      { name: 'There', home: false },
    ],
    lots: [
      { id, tag: 'HOST', quantity: 5, startsAt: AT, endsAt: END, virtualAccount: 'There' },
      { id: other, tag: 'MDC', quantity: 1, startsAt: AT, endsAt: null, virtualAccount: 'Here' },
    ],
    ended: [{ id, how: 'replaced' }],
    known: [],
    notices: ['something'],
  }
  const lines = formatSyncAnswer(answer)
  const refused = (changed: readonly string[]) => getRefusal(() => parseSyncAnswer(changed))

  it('is parsed to what was formatted, with or without optional content', () => {
    for (const more of [{}, { trustBundles: [] }, { issuingCa: null, mandate: null }, { code: '-' }]) {
      const one = { ...answer, ...more }
      expect(parseSyncAnswer(formatSyncAnswer(one))).toEqual(one)
    }
  })

  it('is refused with another title or without the empty line below the title', () => {
    const order = 'its lines are not in the expected order'
    expect(refused(['OTHER', ...lines.slice(1)])).toContain(order)
    expect(refused(lines.toSpliced(1, 1, 'x'))).toContain(order)
    expect(() => parseSyncAnswer([])).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('sync respond') as unknown }) as Error,
    )
  })

  it.each<[string, string, string[]]>([
    ['Satellite', 'name', ['branch', '5']],
    ['Satellite id', 'satelliteId', wrongIds],
    ['Smart account', 'smartAccount', ['']],
    ['Manager', 'managerId', wrongIds],
    ['Exchange', 'exchange', wrongNumbers],
    ['Epoch', 'epoch', wrongNumbers],
    ['Outcome', 'outcome', ['', 'perhaps']],
    ['Code', 'code', ['', '--', 'xABC', 'ABCx', 'AB', '-ABC', 'ABC-']],
    ['Message', 'message', ['why', `"${'x'.repeat(1001)}"`]],
    ['Remedy', 'remedy', ['what']],
    ['Answered', 'answeredAt', wrongTimes],
    ['Overdue from', 'warnAt', wrongTimes],
    ['Restricted from', 'restrictAt', wrongTimes],
    ['Automatic until', 'automaticUntil', wrongTimes],
    ['Trust bundle', 'trustBundle', wrongNumbers],
    ['Software version', 'softwareVersion', ['', '5.0', '""', `"${'5'.repeat(101)}"`]],
  ])('is refused if its field %s is not valid', (label, name, values) => {
    for (const value of values)
      expect(refused(withField(lines, label, value)), value).toContain(`the field ${name} is not valid`)
  })

  it.each([
    ['"There"\n', 'There\n'],
    ['"There"\n', '"There" as "Other"\n'],
    ['"Here" as "Default"', 'Here as "Default"'],
  ])('is refused if a virtual account has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a row of virtual accounts is not valid')
  })

  const lot = `HOST 5 "There" from ${toIsoString(AT)} until ${toIsoString(END)} lot ${id}`
  it.each([
    ['HOST', 'host'],
    ['HOST 5', 'HOST 0'],
    ['HOST 5', 'HOST 1.5'],
    ['"There"', 'There'],
    ['"There"', '""'],
    [' from ', ' since '],
    [`from ${toIsoString(AT)}`, 'from 2027-01-01'],
    [' until ', ' till '],
    [`until ${toIsoString(END)}`, 'perpetual 1'],
    [`until ${toIsoString(END)}`, 'until never'],
    [' lot ', ' batch '],
    [`lot ${id}`, 'lot x'],
    [`lot ${id}`, `lot ${id} more`],
    [`until ${toIsoString(END)}`, 'forever'],
  ])('is refused if a license has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, lot, lot.replace(from, to)))).toContain('a row of licenses is not valid')
  })

  it.each([
    ['1 replaced', '1 gone'],
    ['1 replaced', '1 replaced today'],
    [`${id} replaced`, 'x replaced'],
    ['1 replaced', '1'],
  ])('is refused if an ended instance has %j changed to %j', (from, to) => {
    expect(refused(withText(lines, from, to))).toContain('a row of ended instances is not valid')
  })

  it('is refused if a notice or a known instance is not valid', () => {
    expect(refused(withText(lines, '"something"', 'something'))).toContain('a row of notices')
    expect(refused(withText(lines, 'Known before:\n  none', 'Known before:\n  x'))).toContain(
      'a row of known instances',
    )
  })

  it('is refused if a certificate or the delegation is not valid, or the root is missing', () => {
    for (const text of ['*QUJD', 'QUJD*'])
      expect(refused(withText(lines, 'QUJD', text))).toContain(
        'cannot be used: the section "Root certificate:" was changed',
      )
    for (const text of ['*QUJD.QUJD', 'QUJD.QUJD*'])
      expect(refused(withText(lines, 'QUJD.QUJD', text))).toContain(
        'cannot be used: the section "Issuing CA certificate:" was changed',
      )
    for (const text of ['*a_b-c.d', 'a_b-c.d*'])
      expect(refused(withText(lines, 'a_b-c.d', text))).toContain('the section "Mandate:" was changed')
    expect(refused(withText(lines, 'Root certificate:\n  QUJD', 'Root certificate:\n  none'))).toContain(
      'it has no root certificate',
    )
  })
})
