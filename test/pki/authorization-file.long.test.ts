import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import {
  type Authorization,
  AUTHORIZATION_TITLE,
  parseIssuedAt,
  parseAuthorization,
  formatAuthorization,
} from '../../src/protocol/authorization-file.ts'
import { parseSignedText } from '../../src/protocol/signed-text.ts'
import {
  createRoot,
  type Credential,
  generateKey,
  issueCertificate,
} from '../../src/pki/certificate-generation.ts'
import type { CertificateRole } from '../../src/pki/roles.ts'
import { signText, verifyText } from '../../src/pki/sign-text.ts'
import { selectScale } from '../support/scale.ts'

const DAY = 86_400_000
const START = Date.parse('2027-01-01T00:00:00.000Z')
const AUTHORITY = 'd1cbe3c9-ed58-4658-9be8-5d8fe334ca2b'
const authorization: Authorization = {
  udi: { pid: 'CWMS-K9', serial: 'SN12345', version: '4.0' },
  smartAccount: 'acme.example',
  virtualAccount: 'Zürich  Süd',
  authorityId: AUTHORITY,
  reservationId: '2102138f-2792-4b00-8d06-3b8223258c63',
  request: 3,
  epoch: 1,
  sequence: 2,
  issuedAt: START,
  licenses: [
    { tag: 'HOST', count: 25, endsAt: null, name: 'Host License' },
    { tag: 'HOST', count: 5, endsAt: START + 365 * DAY, name: 'Host License' },
    { tag: 'MDC-MEDIUM', count: 1, endsAt: null, name: 'Multi-data Center, medium' },
  ],
  deviceKey: Buffer.alloc(32, 7).toString('base64url'),
  authorityKey: Buffer.alloc(32, 9).toString('base64url'),
  trustBundle: 1,
  mandate: null,
  trustBundles: [],
}

let roots: X509Certificate[]
let signer: Credential
let good: string
const issue = async (
  role: CertificateRole,
  root?: { certificate: string; privateKey: string },
): Promise<Credential> => {
  const of = {
    account: 'acme.example',
    authorityId: AUTHORITY,
    notBefore: START - DAY,
    notAfter: START + 90 * DAY,
  }
  const ca = root ?? (await createRoot({ ...of, name: 'Root' }))
  const subCaKey = await generateKey()
  const publicOf = (pem: string) => createPublicKey(createPrivateKey(pem))
  const subCa = await issueCertificate(ca, publicOf(subCaKey), { ...of, role: 'sub-ca', name: 'CA' })
  const privateKey = await generateKey()
  const leaf = await issueCertificate({ certificate: subCa, privateKey: subCaKey }, publicOf(privateKey), {
    ...of,
    role,
    name: 'Reservation Signer',
  })
  return { certificates: [leaf, subCa], privateKey: createPrivateKey(privateKey) }
}
let root: { certificate: string; privateKey: string }

beforeAll(async () => {
  root = await createRoot({
    account: 'acme.example',
    authorityId: AUTHORITY,
    notBefore: START - DAY,
    notAfter: START + 900 * DAY,
    name: 'Root',
  })
  roots = [new X509Certificate(root.certificate)]
  signer = await issue('reservation-signer', root)
  good = signText(formatAuthorization(authorization), signer)
})
afterAll(() => undefined)

const read = (text: string, at = START): Authorization =>
  parseAuthorization(
    verifyText(text, {
      what: 'authorization file',
      title: AUTHORIZATION_TITLE,
      role: 'reservation-signer',
      roots,
      at: (lines) => Math.max(at, parseIssuedAt(lines)),
    }).lines,
  )
const codeOf = (text: string, at?: number): string => {
  try {
    read(text, at)
  } catch (error) {
    if (error instanceof LicensingError) return error.code
    throw error
  }
  return 'read'
}
const FAILURES = [
  'SIGNED_FILE_MALFORMED',
  'SIGNED_FILE_TRUNCATED',
  'SIGNED_FILE_ALTERED',
  'SIGNED_FILE_UNTRUSTED',
  'SIGNED_FILE_SIGNER_EXPIRED',
]

describe('an authorization file', () => {
  it('R-SLR-3: states in plain text which device may use which licenses, how many and until when', () => {
    expect(read(good)).toEqual(authorization)
    for (const said of [
      'Product:          CWMS-K9',
      'Serial number:    SN12345',
      'HOST',
      'perpetual',
      'until 2028-01-01T00:00:00.000Z',
    ])
      expect(good).toContain(said)
    expect(Math.max(...good.split('\n').map((line) => line.length))).toBeLessThan(100)
  })

  it('R-SLR-7: is valid with line endings and blanks changed by a mail program or an editor', () => {
    for (const carried of [
      good.replaceAll('\n', '\r\n'),
      good.replaceAll('\n', '\r'),
      good.replaceAll('\n', '  \t\r\n'),
      `\uFEFF${good}`,
      good.trimEnd(),
      `${good}\n\n  \n`,
    ])
      expect(read(carried)).toEqual(authorization)
  })

  it('R-SLR-4: is refused with any single character changed, removed or added', () => {
    const blank = (text: string) => text.replace(/[ \t]+$/gm, '').trimEnd()
    for (let at = 0; at < good.length; at++) {
      const character = good.charAt(at)
      for (const changed of [
        `${good.slice(0, at)}${character === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`,
        `${good.slice(0, at)}${good.slice(at + 1)}`,
        `${good.slice(0, at)}${character}x${good.slice(at + 1)}`,
      ]) {
        if (blank(changed) === blank(good)) continue
        expect([at, FAILURES]).toEqual([at, expect.arrayContaining([codeOf(changed)])])
      }
    }
  })

  it('is refused as truncated or malformed if it is cut off anywhere', () => {
    for (let length = 0; length < good.trimEnd().length; length++)
      expect(codeOf(good.slice(0, length))).toBe(
        length < AUTHORIZATION_TITLE.length ? 'SIGNED_FILE_MALFORMED' : 'SIGNED_FILE_TRUNCATED',
      )
  })

  it('is refused with text before or after it', () => {
    expect(codeOf(`Dear Bob,\n${good}`)).toBe('SIGNED_FILE_ALTERED')
    expect(codeOf(`${good}HOST 1000\n`)).toBe('SIGNED_FILE_ALTERED')
    expect(codeOf(`${good}${good}`)).toBe('SIGNED_FILE_ALTERED')
  })

  it('is refused with base64 that is not canonical', () => {
    const { signature } = parseSignedText(good, { what: 'file', title: AUTHORIZATION_TITLE })
    const last = signature.toString('base64').slice(-4)
    // The last character has padding bits, so other characters encode the same bytes.
    const other = `${last.charAt(0)}${'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charAt(
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.indexOf(last.charAt(1)) + 1,
    )}==`
    expect(Buffer.from(other, 'base64')).toEqual(Buffer.from(last, 'base64'))
    expect(codeOf(good.replace(last, other))).toBe('SIGNED_FILE_ALTERED')
  })

  it('is not trusted if it is signed by another authority or by a certificate with another role', async () => {
    expect(codeOf(signText(formatAuthorization(authorization), await issue('reservation-signer')))).toBe(
      'SIGNED_FILE_UNTRUSTED',
    )
    for (const role of ['answer-signer', 'instance', 'sync', 'tls'] as const)
      expect(codeOf(signText(formatAuthorization(authorization), await issue(role, root)))).toBe(
        'SIGNED_FILE_UNTRUSTED',
      )
  })

  it('is refused if its signer had expired at the later of the issue time and the device time', () => {
    expect(codeOf(good, START + 89 * DAY)).toBe('read')
    expect(codeOf(good, START + 91 * DAY)).toBe('SIGNED_FILE_SIGNER_EXPIRED')
  })

  it('is parsed from any text, or refused with a documented error', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 500 }),
      fc.string({ unit: 'binary', maxLength: 500 }),
      fc
        .array(fc.constantFrom(...good.split('\n'), '', 'x'), { maxLength: 60 })
        .map((lines) => lines.join('\n')),
      fc
        .tuple(fc.nat(good.length), fc.nat(good.length), fc.string({ maxLength: 20 }))
        .map(([a, b, middle]) => good.slice(0, Math.min(a, b)) + middle + good.slice(Math.max(a, b))),
    )
    fc.assert(
      fc.property(text, (given) => {
        const code = codeOf(given)
        if (code !== 'read') expect(FAILURES).toContain(code)
        else expect(read(given)).toEqual(authorization)
      }),
      { numRuns: Number(process.env.FUZZ_RUNS ?? selectScale(1_000, 3_000)) },
    )
    expect(codeOf('x'.repeat(1_000_000))).toBe('SIGNED_FILE_MALFORMED')
  })

  it('is parsed to what was formatted, with any content', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/+-]{0,30}$/)
    const key = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64url'))
    const number = fc.integer({ min: 1, max: 60_000 })
    const instant = fc.integer({ min: 0, max: 4e12 })
    const any: fc.Arbitrary<Authorization> = fc.record({
      udi: fc.record({ pid: word, serial: word, version: word }),
      smartAccount: fc.domain(),
      virtualAccount: fc.stringMatching(/^[\p{L}\p{N}](?:[^\p{Cc}]{0,40}[\p{L}\p{N}])?$/u),
      authorityId: fc.uuid(),
      reservationId: fc.uuid(),
      request: number,
      epoch: number,
      sequence: number,
      issuedAt: instant,
      licenses: fc.array(
        fc.record({
          tag: fc.stringMatching(/^[A-Z0-9][A-Z0-9._-]{0,20}$/),
          count: fc.integer({ min: 1, max: 10_000_000 }),
          endsAt: fc.option(instant),
          name: fc.constant('Host License'),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      deviceKey: key,
      authorityKey: key,
      trustBundle: number,
      mandate: fc.option(fc.stringMatching(/^[A-Za-z0-9_.-]{1,300}$/), { nil: null }),
      trustBundles: fc.array(fc.string(), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(any, (one) => {
        expect(parseAuthorization(formatAuthorization(one))).toEqual(one)
      }),
    )
  })
})
