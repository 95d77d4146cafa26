import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import { isLoopbackName, parseHostName } from '../../src/core/host-name.ts'
import {
  type CertificateNames,
  formatCertificateUris,
  parseCertificateUris,
  readCertificateNames,
} from '../../src/pki/certificate-names.ts'
import {
  createRoot,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../../src/pki/certificate-generation.ts'
import {
  encodeNameConstraints,
  isPermitted,
  isWithin,
  readNameConstraints,
} from '../../src/pki/name-constraints.ts'
import { CERTIFICATE_ROLES } from '../../src/pki/roles.ts'

const names = (more: Partial<CertificateNames> = {}): CertificateNames => ({
  role: 'answer-signer',
  account: 'acme.example',
  authorityId: '00000000-0000-4000-8000-000000000001',
  instanceId: null,
  ...more,
})
const ROLE = 'urn:smart-licensing:role:answer-signer'
const ACCOUNT = 'urn:smart-licensing:account:acme.example'
const AUTHORITY = 'urn:smart-licensing:authority:a1'

describe('the URIs of a certificate', () => {
  it('are a role, an account and an authority, and are parsed as they were formatted', () => {
    expect(formatCertificateUris(names())).toEqual([
      ROLE,
      ACCOUNT,
      'urn:smart-licensing:authority:00000000-0000-4000-8000-000000000001',
    ])
    for (const role of CERTIFICATE_ROLES) {
      const one = names({ role, instanceId: role === 'instance' ? 'i-1' : null })
      expect(parseCertificateUris(formatCertificateUris(one))).toEqual(one)
    }
  })

  it('are percent-encoded for any names', () => {
    expect(formatCertificateUris(names({ account: 'Bäcker & Söhne/50%' }))[1]).toBe(
      'urn:smart-licensing:account:B%C3%A4cker%20%26%20S%C3%B6hne%2F50%25',
    )
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 })
    fc.assert(
      fc.property(text, text, (account, instanceId) => {
        const one = names({ role: 'instance', account, instanceId })
        const uris = formatCertificateUris(one)
        for (const uri of uris) expect(uri).toMatch(/^urn:smart-licensing:[a-z]+:[A-Za-z0-9._~!*'()%-]+$/)
        expect(parseCertificateUris(uris)).toEqual(one)
      }),
    )
  })

  it.each([
    ['without any', []],
    ['without a role', [ACCOUNT, AUTHORITY]],
    ['without an account', [ROLE, AUTHORITY]],
    ['without an authority', [ROLE, ACCOUNT]],
    ['with two roles', [ROLE, 'urn:smart-licensing:role:sync', ACCOUNT, AUTHORITY]],
    ['with one role twice', [ROLE, ROLE, ACCOUNT, AUTHORITY]],
    ['with two accounts', [ROLE, ACCOUNT, 'urn:smart-licensing:account:other.example', AUTHORITY]],
    ['with two authorities', [ROLE, ACCOUNT, AUTHORITY, 'urn:smart-licensing:authority:a2']],
    ['with an unknown role', ['urn:smart-licensing:role:king', ACCOUNT, AUTHORITY]],
    ['with a role in upper case', ['urn:smart-licensing:role:SYNC', ACCOUNT, AUTHORITY]],
    ['with a scheme in upper case', ['URN:smart-licensing:role:sync', ACCOUNT, AUTHORITY]],
    ['with an empty account', [ROLE, 'urn:smart-licensing:account:', AUTHORITY]],
    ['with a needlessly encoded character', [ROLE, 'urn:smart-licensing:account:%61cme', AUTHORITY]],
    ['with an encoding in lower case', [ROLE, 'urn:smart-licensing:account:a%c3%a4', AUTHORITY]],
    ['with a value that is not UTF-8', [ROLE, 'urn:smart-licensing:account:%FF', AUTHORITY]],
    ['with a value that is not encoded', [ROLE, 'urn:smart-licensing:account:a b', AUTHORITY]],
    ['with an unknown URN of this project', [ROLE, ACCOUNT, AUTHORITY, 'urn:smart-licensing:future:1']],
    ['with another URI', [ROLE, ACCOUNT, AUTHORITY, 'https://acme.example/']],
    ['with an instance in another role', [ROLE, ACCOUNT, AUTHORITY, 'urn:smart-licensing:instance:1']],
    ['with the role instance without an instance', ['urn:smart-licensing:role:instance', ACCOUNT, AUTHORITY]],
  ])('are refused %s', (_, uris) => {
    expect(parseCertificateUris([ROLE, ACCOUNT, AUTHORITY])).not.toBeNull()
    expect(parseCertificateUris(uris)).toBeNull()
  })
})

const of = {
  account: 'acme.example',
  authorityId: 'a1',
  notBefore: Date.UTC(2027, 0, 1),
  notAfter: Date.UTC(2027, 0, 1) + DAY,
}
let root: Issuer
beforeAll(async () => {
  root = await createRoot({ ...of, name: 'Root' })
})
const caFor = async (permitted: string[], excluded: string[] = []) => {
  const key = createPublicKey(createPrivateKey(await generateKey()))
  return new X509Certificate(
    await issueCertificate(root, key, {
      ...of,
      role: 'sub-ca',
      name: 'Satellite',
      nameConstraints: { permitted, excluded },
    }),
  )
}

describe('the names of a certificate', () => {
  it('are read from its URIs and not from its subject', () => {
    expect(readCertificateNames(new X509Certificate(root.certificate))).toEqual(
      names({ role: 'root', authorityId: 'a1' }),
    )
  })

  it('are only hosts below a CA with name constraints, because Go rejects any URI there', async () => {
    const caKey = await generateKey()
    const ca = async (more: object) => ({
      privateKey: caKey,
      certificate: await issueCertificate(root, createPublicKey(createPrivateKey(caKey)), {
        ...{ ...of, role: 'sub-ca', name: 'CA' },
        ...more,
      }),
    })
    const tls = async (by: Issuer) =>
      new X509Certificate(
        await issueCertificate(by, createPublicKey(createPrivateKey(await generateKey())), {
          ...{ ...of, role: 'tls', name: 'localhost', hosts: ['localhost'] },
        }),
      ).subjectAltName
    expect(await tls(await ca({ nameConstraints: { permitted: [], excluded: [] } }))).toBe('DNS:localhost')
    expect(await tls(await ca({}))).toContain('URI:urn:smart-licensing:role:tls')
  })
})

describe('the name constraints of a CA', () => {
  it('permit localhost and loopback addresses, and no address that is not listed', () => {
    const localhost = '300b82096c6f63616c686f7374'
    const ipv4 = '300a87087f000000ff000000'
    const ipv6 = `30228720${'00'.repeat(15)}01${'ff'.repeat(16)}`
    expect(encodeNameConstraints({ permitted: [], excluded: [] }).toString('hex')).toBe(
      `303fa03d${localhost}${ipv4}${ipv6}`,
    )
  })

  it('are read as they were encoded, for names and IPv4 and IPv6 addresses', async () => {
    const permitted = ['branch.example', '192.0.2.7', '2001:db8::7', 'host7']
    const excluded = ['licensing.vendor.example', '198.51.100.1', '2001:db8:1:2:3:4:5:6']
    expect(readNameConstraints(await caFor(permitted, excluded))).toEqual({ permitted, excluded })
    expect(readNameConstraints(await caFor([]))).toEqual({ permitted: [], excluded: [] })
    expect(readNameConstraints(new X509Certificate(root.certificate))).toBeNull()
  })

  it('permit a name and its subdomains, a single address, and nothing that is excluded', () => {
    const constraints = { permitted: ['example.com', '192.0.2.7'], excluded: ['vendor.example.com'] }
    const isGood = (name: string) => isPermitted(name, constraints)
    for (const name of ['example.com', 'a.b.example.com', '192.0.2.7', 'localhost', '127.0.0.5', '::1'])
      expect([name, isGood(name)]).toEqual([name, true])
    for (const name of ['badexample.com', 'com', '192.0.2.8', 'vendor.example.com', 'a.vendor.example.com'])
      expect([name, isGood(name)]).toEqual([name, false])
    expect(isWithin('10.192.0.2', '192.0.2')).toBe(false)
  })
})

describe('the name of a server', () => {
  it.each([
    ['Licenses.Branch.Example.', 'licenses.branch.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['192.0.2.7', '192.0.2.7'],
    ['[2001:DB8:0:0::7]', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['host7', 'host7'],
  ])('%s has the canonical form %s', (text, name) => {
    expect(parseHostName(text)).toBe(name)
  })

  it.each([
    '',
    '*.example',
    'a_b.example',
    '-a.example',
    'a..b',
    'a b',
    '1.2.3',
    'fe80::1%eth0',
    'a:80',
    'x'.repeat(64),
  ])('is refused for %j', (text) => {
    expect(parseHostName(text)).toBeNull()
  })

  it('may be a loopback name', () => {
    expect(['localhost', '127.9.9.9', '::1', 'example.com', '128.0.0.1'].map(isLoopbackName)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
  })
})
