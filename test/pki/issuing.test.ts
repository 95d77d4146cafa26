import 'reflect-metadata'
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import {
  createCsr,
  createRoot,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../../src/pki/certificate-generation.ts'
import { parseCsr } from '../../src/pki/certificate-request.ts'
import { readElements, readElement, readSingleElement, SEQUENCE } from '../../src/pki/der.ts'
import { computeThumbprint as thumbprintOf } from '../../src/pki/chain-validation.ts'
import { parseLeafCertificate } from '../../src/pki/leaf-certificate.ts'
import type { P256Key } from '../../src/pki/p256-key.ts'
import { InstanceCertificateIssuer } from '../../src/pki/instance-certificate-issuer.ts'
import { readCertificateNames } from '../../src/pki/certificate-names.ts'

const NOW = Date.UTC(2026, 0, 1)
const facts = {
  account: 'Bäckerei & Söhne, "Ltd".example',
  authorityId: '3f0c',
  notBefore: NOW,
  notAfter: NOW + 365 * DAY,
}
let root: Issuer
let issuer: Issuer
let identities: InstanceCertificateIssuer

beforeAll(async () => {
  root = await createRoot({ ...facts, name: 'Root' })
  const privateKey = await generateKey()
  const key = createPublicKey(createPrivateKey(privateKey))
  issuer = {
    privateKey,
    certificate: await issueCertificate(root, key, { ...facts, role: 'sub-ca', name: 'CA' }),
  }
  identities = await InstanceCertificateIssuer.create(issuer, facts)
})

function newKey(): P256Key {
  const { publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { key, spki: key.export({ type: 'spki', format: 'der' }) }
}

describe('an ID certificate issued from a template', () => {
  test('equals one of the certificate library except for serial number and signature', async () => {
    for (const notBefore of [
      NOW,
      Date.UTC(2049, 11, 31, 23, 59, 59),
      Date.UTC(2050, 0, 1),
      Date.UTC(2061, 5, 7),
    ]) {
      const key = newKey()
      const identity = { name: 'aéx-1', notBefore, notAfter: notBefore + 365 * DAY }
      const { pem } = identities.issue(key, identity)
      const ours = new X509Certificate(pem)
      const theirs = new X509Certificate(
        await issueCertificate(issuer, key.key, { ...facts, ...identity, role: 'instance' }),
      )
      const parts = ({ raw }: X509Certificate) => {
        const [tbs, algorithm] = readElements(readSingleElement(raw, SEQUENCE))
        const fields = tbs ? readElements(tbs).map(({ whole }) => whole.toString('hex')) : []
        return [algorithm?.whole.toString('hex'), ...fields.slice(0, 1), ...fields.slice(2)]
      }
      expect(parts(ours)).toEqual(parts(theirs))
      expect(parseLeafCertificate(ours.toString())?.notAfter).toBe(Date.parse(ours.validTo))
      expect(parseLeafCertificate(ours.toString())?.key.equals(key.key)).toBe(true)
      expect(ours.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
      expect(ours.serialNumber).not.toBe(theirs.serialNumber)
      expect(pem).toBe(ours.toString())
    }
  })

  test('has a thumbprint and a signature that the certificate library verifies', async () => {
    const { pem, thumbprint } = identities.issue(newKey(), { ...facts, name: 'device' })
    expect(thumbprint).toBe(thumbprintOf(new X509Certificate(pem)))
    expect(parseLeafCertificate(pem)).toMatchObject({ thumbprint, notAfter: facts.notAfter })
    const certificate = new x509.X509Certificate(pem)
    const signedBy = new x509.X509Certificate(issuer.certificate)
    expect(await certificate.verify({ publicKey: signedBy, date: new Date(NOW + 1000) })).toBe(true)
  })

  test('has the same fields as a certificate of the library for the same key', async () => {
    const key = newKey()
    const identity = { ...facts, name: '5f1c' }
    const read = (pem: string) => {
      const { subject, issuer, notBefore, notAfter, publicKey, signatureAlgorithm, extensions } =
        new x509.X509Certificate(pem)
      return {
        subject,
        issuer,
        notBefore,
        notAfter,
        key: Buffer.from(publicKey.rawData),
        signatureAlgorithm,
        extensions: extensions.map(({ type, critical, value }) => [type, critical, Buffer.from(value)]),
      }
    }
    const ours = read(identities.issue(key, identity).pem)
    expect(ours).toEqual(read(await issueCertificate(issuer, key.key, { ...identity, role: 'instance' })))
    expect(ours.subject).toMatch(/^OU=Product instance 5f1c, O=/)
    expect(ours.issuer).toBe(new x509.X509Certificate(issuer.certificate).subject)
    expect([ours.notBefore.getTime(), ours.notAfter.getTime()]).toEqual([facts.notBefore, facts.notAfter])
    expect(ours.key).toEqual(key.spki)
    expect(ours.signatureAlgorithm).toMatchObject({ name: 'ECDSA', hash: { name: 'SHA-256' } })
  })

  test('shares only the fields of the template with another', () => {
    const key = newKey()
    const serials = Array.from(
      { length: 100 },
      () => new X509Certificate(identities.issue(key, { ...facts, name: 'x' }).pem).serialNumber,
    )
    expect(new Set(serials).size).toBe(100)
    expect(new Set(serials.map((serial) => serial.slice(0, 2))).size).toBeGreaterThan(10)
  })
})

describe('the extensions of a certificate', () => {
  const read = (pem: string) => {
    const certificate = new x509.X509Certificate(pem)
    const basic = certificate.getExtension(x509.BasicConstraintsExtension)
    const usage = certificate.getExtension(x509.KeyUsagesExtension)
    const extended = certificate.getExtension(x509.ExtendedKeyUsageExtension)
    return {
      ca: [basic?.ca, basic?.pathLength, basic?.critical],
      usage: [usage?.usages, usage?.critical],
      extended: extended?.usages ?? 'none',
      critical: certificate.extensions.filter(({ critical }) => critical).map(({ type }) => type),
      role: readCertificateNames(new X509Certificate(pem))?.role,
    }
  }
  const { keyCertSign, digitalSignature } = x509.KeyUsageFlags
  /** Basic constraints and key usage. */
  const critical = ['2.5.29.19', '2.5.29.15']

  test('permit a root to sign CAs', () => {
    expect(read(root.certificate)).toEqual({
      ca: [true, 1, true],
      usage: [keyCertSign, true],
      extended: 'none',
      critical,
      role: 'root',
    })
  })

  test('permit an issuing CA to sign certificates that are not CAs', () => {
    expect(read(issuer.certificate)).toEqual({
      ca: [true, 0, true],
      usage: [keyCertSign, true],
      extended: 'none',
      critical,
      role: 'sub-ca',
    })
  })

  test.each(['answer-signer', 'tls', 'sync', 'instance'] as const)(
    'permit the role %s only to sign data',
    async (role) => {
      expect(read(await issueCertificate(issuer, newKey().key, { ...facts, role, name: 'one' }))).toEqual({
        ca: [false, undefined, true],
        usage: [digitalSignature, true],
        extended: role === 'tls' ? ['1.3.6.1.5.5.7.3.1'] : 'none',
        critical,
        role,
      })
    },
  )

  test('accompany a subject of limited length, without a CN for a signer', async () => {
    const long = { ...facts, account: `${'a'.repeat(200)}.example`, name: 'n'.repeat(200) }
    const subject = async (role: 'tls' | 'answer-signer') =>
      new X509Certificate(await issueCertificate(issuer, newKey().key, { ...long, role })).subject
    expect(await subject('tls')).toBe(`CN=${'n'.repeat(64)}\nO=${'a'.repeat(64)}`)
    expect(await subject('answer-signer')).toBe(`OU=${'n'.repeat(64)}\nO=${'a'.repeat(64)}`)
  })
})

describe('a certificate request', () => {
  test('with a P-256 key is parsed to the same key as by the certificate library', async () => {
    const pem = await createCsr(await generateKey(), 'device')
    const theirs = new x509.Pkcs10CertificateRequest(pem)
    expect(await theirs.verify()).toBe(true)
    expect(parseCsr(pem)?.spki).toEqual(Buffer.from(theirs.publicKey.rawData))
  })

  test('is refused with any bit changed, truncated or with trailing bytes', async () => {
    const pem = await createCsr(await generateKey(), 'device')
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const wrap = (bytes: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    expect(parseCsr(wrap(der))).not.toBeNull()
    for (let bit = 0; bit < der.length * 8; bit++) {
      const changed = Buffer.from(der)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(parseCsr(wrap(changed)), `bit ${bit}`).toBeNull()
    }
    for (let length = 0; length < der.length; length++)
      expect(parseCsr(wrap(der.subarray(0, length)))).toBeNull()
    expect(parseCsr(wrap(Buffer.concat([der, Buffer.of(0)])))).toBeNull()
    expect(parseCsr(pem.replace('REQUEST', 'NOTHING'))).toBeNull()
  })

  test('is refused without an exception for any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const base64 = Buffer.from(bytes).toString('base64')
        expect(
          parseCsr(`-----BEGIN CERTIFICATE REQUEST-----\n${base64}\n-----END CERTIFICATE REQUEST-----`),
        ).toBeNull()
      }),
      { numRuns: 2000 },
    )
  })
})

test('DER is encoded as it was read, and non-minimal lengths are refused', () => {
  for (const length of [0, 127, 128, 255, 256, 65535, 65536]) {
    const head =
      length < 128
        ? [length]
        : length < 256
          ? [0x81, length]
          : length < 65536
            ? [0x82, length >> 8, length & 255]
            : [0x83, 1, 0, 0]
    const bytes = Buffer.concat([Buffer.from([4, ...head]), Buffer.alloc(length)])
    expect(readElement(bytes).content.length).toBe(length)
  }
  for (const hex of ['04', '0480', '048101ff', '04820001ff', '0485000000000100', '1f0100', '0402ff'])
    expect(() => readElement(Buffer.from(hex, 'hex')), hex).toThrow()
})
