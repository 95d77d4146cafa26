import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import { formatToken, parseToken, computeTokenMac, verifyTokenMac } from '../../src/protocol/token.ts'

const base64url = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => Buffer.from(array).toString('base64url'))
const token = fc.record({ account: base64url(8), id: base64url(12), secret: base64url(32) })

const codeOf = (text: string): string => {
  try {
    parseToken(text)
  } catch (error) {
    if (error instanceof LicensingError) return error.code
    throw error
  }
  return 'a token'
}

describe('a text given as a registration token', () => {
  it('R-TOK-1: is parsed with white space and line breaks anywhere', () => {
    fc.assert(
      fc.property(token, fc.array(fc.nat(70), { maxLength: 6 }), (made, positions) => {
        let text = formatToken(made)
        for (const at of positions.toSorted((a, b) => b - a))
          text = `${text.slice(0, at)}${['\n', ' ', '\r\n', '%0A', '\t'][at % 5] ?? ''}${text.slice(at)}`
        expect(parseToken(text)).toEqual(made)
      }),
    )
  })

  it('R-TOK-4, R-TOK-5: is parsed or refused with a documented code, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 300 })), (text) => {
        expect(codeOf(text)).toMatch(
          /^(a token|TOKEN_(MISSING|MALFORMED|IS_ACTIVATION_KEY|IS_LICENSE_FILE))$/,
        )
      }),
    )
  })

  it.each([
    ['3901J4FFA0B', 'TOKEN_IS_ACTIVATION_KEY'],
    ['ABCD1-EFGH2-JKLM3-NPQR4', 'TOKEN_IS_ACTIVATION_KEY'],
    ['<?xml version="1.0"?><CISCO_WT_LICENSES/>', 'TOKEN_IS_LICENSE_FILE'],
    ['SERVER this_host ANY\nVENDOR cisco\nINCREMENT X cisco 1.0 permanent 1', 'TOKEN_IS_LICENSE_FILE'],
    ['', 'TOKEN_MISSING'],
    [' \n ', 'TOKEN_MISSING'],
    ['NotAToken!', 'TOKEN_MALFORMED'],
    [`SLT1.${'a'.repeat(11)}.${'b'.repeat(16)}.${'c'.repeat(42)}`, 'TOKEN_MALFORMED'],
    [`SLT1.${'a'.repeat(11)}.${'b'.repeat(16)}.${'c'.repeat(44)}`, 'TOKEN_MALFORMED'],
    [`xSLT1.${'a'.repeat(11)}.${'b'.repeat(16)}.${'c'.repeat(43)}`, 'TOKEN_MALFORMED'],
    ['3901J4FFA0B!', 'TOKEN_MALFORMED'],
    ['!ABCD1-EFGH2-JKLM3-NPQR4', 'TOKEN_MALFORMED'],
    ['\n  <WT_LICENSES>', 'TOKEN_IS_LICENSE_FILE'],
    ['see: <?xml version="1.0"?>', 'TOKEN_MALFORMED'],
    ['FEATURE meetings cisco 1.0', 'TOKEN_IS_LICENSE_FILE'],
    ['UPGRADE  meetings  cisco  1.0', 'TOKEN_IS_LICENSE_FILE'],
    ['SERVER ab ANY', 'TOKEN_IS_LICENSE_FILE'],
    ['SERVER  license-1  ANY', 'TOKEN_IS_LICENSE_FILE'],
    ['VENDOR cisco /opt/flexlm', 'TOKEN_IS_LICENSE_FILE'],
    ['VENDOR  cisco  /opt/flexlm', 'TOKEN_IS_LICENSE_FILE'],
    ['VENDOR_STRING=x', 'TOKEN_IS_LICENSE_FILE'],
    ['VENDOR_STRING  = x', 'TOKEN_IS_LICENSE_FILE'],
    ['SIGN=0B12', 'TOKEN_IS_LICENSE_FILE'],
    ['SIGN2=0B12', 'TOKEN_IS_LICENSE_FILE'],
  ])('R-TOK-5: %j is %s', (text, code) => {
    expect(codeOf(text)).toBe(code)
  })
})

describe('the MAC of a registration token', () => {
  const claim = fc.record({
    audience: fc.string(),
    nonce: fc.string(),
    certificateRequest: fc.string(),
    udi: fc.record({ pid: fc.string(), version: fc.string(), serial: fc.string() }),
    force: fc.boolean(),
  })
  it('verifies its own claim and no other', () => {
    const secret = randomBytes(32).toString('base64url')
    fc.assert(
      fc.property(claim, claim, (one, other) => {
        const mac = computeTokenMac(secret, one)
        expect(verifyTokenMac(secret, one, mac)).toBe(true)
        expect(verifyTokenMac(secret, other, mac)).toBe(JSON.stringify(one) === JSON.stringify(other))
        expect(verifyTokenMac(randomBytes(32).toString('base64url'), one, mac)).toBe(false)
        expect(verifyTokenMac(secret, one, mac.slice(1))).toBe(false)
      }),
    )
  })

  it('does not verify a claim with any single field changed', () => {
    const secret = randomBytes(32).toString('base64url')
    const udi = { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' }
    const one = { audience: 'authority', nonce: 'n1', certificateRequest: 'csr', udi, force: false }
    const mac = computeTokenMac(secret, one)
    for (const other of [
      { ...one, audience: 'another' },
      { ...one, nonce: 'n2' },
      { ...one, certificateRequest: 'another' },
      { ...one, udi: { ...udi, pid: 'OTHER-K9' } },
      { ...one, udi: { ...udi, version: '4.1' } },
      { ...one, udi: { ...udi, serial: 'DEVICE2' } },
      { ...one, force: true },
    ])
      expect([other, verifyTokenMac(secret, other, mac)]).toEqual([other, false])
  })
})
