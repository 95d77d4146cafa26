import { describe, expect, it } from 'vitest'
import { X509Certificate } from 'node:crypto'
import { DAY } from '../../src/core/time.ts'
import { createRoot } from '../../src/pki/certificate-generation.ts'
import {
  formatCertificateFingerprint,
  formatKeyFingerprint,
  fingerprintsEqual,
} from '../../src/pki/fingerprint.ts'

const PAIRS = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/

describe('a fingerprint', () => {
  it('of a certificate equals the one that other tools print', async () => {
    const { certificate } = await createRoot({
      ...{ name: 'Root', account: 'acme.example', authorityId: '3f0c', notBefore: 0, notAfter: DAY },
    })
    expect(formatCertificateFingerprint(certificate)).toMatch(PAIRS)
    expect(formatCertificateFingerprint(certificate)).toBe(new X509Certificate(certificate).fingerprint256)
  })

  it('of a key is the SHA-256 of its SPKI, in pairs of digits', () => {
    // SHA-256 of the empty string.
    expect(formatKeyFingerprint('')).toBe(
      'E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55',
    )
    expect(formatKeyFingerprint('_-8')).not.toBe(formatKeyFingerprint(''))
  })

  it.each([
    ['AB:CD', 'abcd'],
    ['AB CD', 'ab:cd'],
    ['SHA256:AB:CD', 'ABCD'],
    ['sha256AB CD', 'AB\tCD\n'],
  ])('%s equals %s', (a, b) => {
    expect([fingerprintsEqual(a, b), fingerprintsEqual(b, a)]).toEqual([true, true])
  })

  it.each([
    ['AB:CD', 'AB:CE'],
    ['AB:CD', 'AB:CD:CD'],
    ['AB:CD', ''],
    ['AB:CDsha256:', 'AB:CD'],
  ])('%s does not equal %s', (a, b) => {
    expect([fingerprintsEqual(a, b), fingerprintsEqual(b, a)]).toEqual([false, false])
  })
})
