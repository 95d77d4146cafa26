import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import {
  createRoot,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../../src/pki/certificate-generation.ts'
import { parseCsr } from '../../src/pki/certificate-request.ts'
import { InstanceCertificateIssuer } from '../../src/pki/instance-certificate-issuer.ts'

const NOW = Date.UTC(2026, 0, 1)
const facts = {
  account: 'acme.example',
  authorityId: '3f0c',
  notBefore: NOW,
  notAfter: NOW + 365 * DAY,
}
let root: Issuer
let issuer: Issuer
let instances: InstanceCertificateIssuer
let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-issuing-'))
  root = await createRoot({ ...facts, name: 'Root' })
  const privateKey = await generateKey()
  const key = createPublicKey(createPrivateKey(privateKey))
  issuer = {
    privateKey,
    certificate: await issueCertificate(root, key, { ...facts, role: 'sub-ca', name: 'CA' }),
  }
  instances = await InstanceCertificateIssuer.create(issuer, facts)
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
const openssl = (...words: string[]): string =>
  execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

function newKey() {
  const { publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { key, spki: key.export({ type: 'spki', format: 'der' }) }
}

describe('a device certificate made from a template', () => {
  test('verifies with OpenSSL', () => {
    const { pem } = instances.issue(newKey(), { ...facts, name: 'device' })
    const anchors = [
      '-CAfile',
      file('root.pem', root.certificate),
      '-untrusted',
      file('ca.pem', issuer.certificate),
    ]
    const at = ['-attime', String(NOW / 1000 + 60)]
    expect(openssl('verify', ...at, ...anchors, file('device.pem', pem))).toMatch(/device\.pem: OK/)
  })

  test('has the same fields, as OpenSSL prints them, as a certificate of the library for the same key', async () => {
    const key = newKey()
    const identity = { ...facts, name: '5f1c' }
    const text = (pem: string) =>
      openssl('x509', '-in', file('one.pem', pem), '-noout', '-text', '-certopt', 'no_serial,no_sigdump')
    const ours = text(instances.issue(key, identity).pem)
    const library = await issueCertificate(issuer, key.key, { ...identity, role: 'instance' })
    expect(ours).toBe(text(library))
    const points = key.spki.subarray(-65).toString('hex').match(/../g)?.join(':')
    expect(ours.replace(/:\s+(?=[0-9a-f]{2}:?)/g, ':')).toContain(points)
    const lines = ours.split('\n').map((line) => line.trim())
    for (const line of [
      'Version: 3 (0x2)',
      'Signature Algorithm: ecdsa-with-SHA256',
      'Issuer: CN = CA, O = acme.example, OU = 3f0c',
      'Not Before: Jan  1 00:00:00 2026 GMT',
      'Not After : Jan  1 00:00:00 2027 GMT',
      'Subject: OU = Product instance 5f1c, O = acme.example',
      'Public Key Algorithm: id-ecPublicKey',
      'ASN1 OID: prime256v1',
      'X509v3 Basic Constraints: critical',
      'CA:FALSE',
      'X509v3 Key Usage: critical',
      'Digital Signature',
      'X509v3 Subject Alternative Name:',
      'X509v3 Subject Key Identifier:',
      'X509v3 Authority Key Identifier:',
    ])
      expect(lines).toContain(line)
    expect(ours).not.toContain('Extended Key Usage')
  })
})

describe('a certificate request made by OpenSSL', () => {
  const requestFor = (...algorithm: string[]): string =>
    openssl(
      ...['req', '-new', '-key', file('key.pem', openssl('genpkey', ...algorithm))],
      ...['-subj', '/CN=device/O=x', '-addext', 'subjectAltName=DNS:x'],
    )
  const ec = (curve: string) => requestFor('-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`)

  test('with a P-256 key is parsed to the same key as by the certificate library', async () => {
    const pem = ec('P-256')
    const theirs = new x509.Pkcs10CertificateRequest(pem)
    expect(await theirs.verify()).toBe(true)
    expect(theirs.subject).toMatch(/^CN=device\b/)
    expect(parseCsr(pem)?.spki).toEqual(Buffer.from(theirs.publicKey.rawData))
  })

  test('with another kind of key is refused', () => {
    for (const pem of [
      ec('P-384'),
      ec('secp256k1'),
      requestFor('-algorithm', 'RSA'),
      requestFor('-algorithm', 'ED25519'),
    ])
      expect(parseCsr(pem)).toBeNull()
  })
})
