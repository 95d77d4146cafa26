import 'reflect-metadata'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import { DAY, toIsoString } from '../../src/core/time.ts'
import type { Delegation } from '../../src/protocol/delegation.ts'
import {
  type Credential,
  createRoot,
  createSelfSigned,
  createTlsCa,
  generateKey,
  type Issuer,
  issueCertificate,
  toTlsOptions,
} from '../../src/pki/certificate-generation.ts'
import {
  ChainError,
  validateChain,
  readCertificateInfo as describeCertificate,
  parseCertificates,
  parseRoots,
} from '../../src/pki/chain-validation.ts'
import { hashPublicKey, signDelegationJws, verifyDelegation } from '../../src/pki/delegation.ts'
import { formatCertificateUris } from '../../src/pki/certificate-names.ts'
import type { CertificateRole } from '../../src/pki/roles.ts'
import { signMessage } from '../../src/pki/signed-message.ts'
import { signText, signTextByKey, verifyText, verifyTextByKey } from '../../src/pki/sign-text.ts'
import {
  applyRotations,
  type TrustAnchors,
  parseTrustAnchors,
  installRotations,
  parseRotationVersion,
  parseRootRotations,
  getTrustedRoots,
  parseRotationRoots,
  formatTrustedRoots,
  signRootRotation,
  type RootRotation,
  formatRootRotations,
} from '../../src/pki/root-rotation.ts'
import { getRefusal } from '../support/refusal.ts'

const NOW = Date.UTC(2027, 0, 1)
const END = NOW + 10 * DAY
const MANAGER = '00000000-0000-4000-8000-000000000001'
const SATELLITE = '00000000-0000-4000-8000-000000000002'
const facts = { account: 'acme.example', authorityId: MANAGER, notBefore: NOW, notAfter: END }

const newRoot = (more: object = {}) => createRoot({ ...facts, name: 'Root', ...more })
async function issue(by: Issuer, role: CertificateRole, more: object = {}): Promise<Issuer> {
  const privateKey = await generateKey()
  const key = createPublicKey(createPrivateKey(privateKey))
  return {
    privateKey,
    certificate: await issueCertificate(by, key, { ...facts, role, name: `one ${role}`, ...more }),
  }
}
const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
const newKeys = () => webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
/** Creates a private key and a public key that do not belong together. */
const twoKeys = async () => ({ ...(await newKeys()), privateKey: (await newKeys()).privateKey })
/** Creates a self-signed certificate as other tools might create it. */
async function own(
  extensions: x509.Extension[],
  keys?: webcrypto.CryptoKeyPair,
  name = 'CN=Own',
): Promise<string> {
  const { publicKey, privateKey } = keys ?? (await newKeys())
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ serialNumber: '01', subject: name, issuer: name, publicKey, signingKey: privateKey, extensions },
    ...{ notBefore: new Date(NOW), notAfter: new Date(END), signingAlgorithm: { ...P256, hash: 'SHA-256' } },
  })
  return certificate.toString('pem')
}
/** Creates URI names as other tools write them. */
const uriNames = (uris: readonly string[]) =>
  new x509.SubjectAlternativeNameExtension(uris.map((value) => ({ type: 'url' as const, value })))
const certificateOf = ({ certificate }: Issuer) => new X509Certificate(certificate)
const credential = (leaf: Issuer, ...others: Issuer[]): Credential => ({
  certificates: [leaf, ...others].map(({ certificate }) => certificate),
  privateKey: createPrivateKey(leaf.privateKey),
})

let root: Issuer
let otherRoot: Issuer
let subCa: Issuer
let leaf: Issuer
let satelliteCa: Issuer
beforeAll(async () => {
  ;[root, otherRoot] = [await newRoot(), await newRoot({ name: 'Other root' })]
  subCa = await issue(root, 'sub-ca')
  leaf = await issue(subCa, 'answer-signer')
  satelliteCa = await issue(root, 'sub-ca', { authorityId: SATELLITE })
})

const check = (
  chain: readonly Issuer[],
  {
    role = 'answer-signer',
    at = NOW,
    roots = [root],
  }: { role?: CertificateRole; at?: number; roots?: Issuer[] } = {},
) =>
  validateChain(
    chain.map(({ certificate }) => certificate),
    { role, at, roots: roots.map(certificateOf) },
  )
/** Returns the reason and the message with which a chain is refused. */
const chainRefusal = (...args: Parameters<typeof check>) => {
  try {
    check(...args)
    return 'not refused'
  } catch (error) {
    return error instanceof ChainError ? `${error.reason}: ${error.message}` : String(error)
  }
}

describe('a certificate chain', () => {
  it('is validated to its names, its issuing CA, its manager and its end', () => {
    const { certificate, ...rest } = check([leaf, subCa])
    expect(certificate.toString()).toBe(certificateOf(leaf).toString())
    expect(rest).toEqual({
      name: 'one answer-signer',
      role: 'answer-signer',
      instanceId: null,
      account: 'acme.example',
      authorityId: MANAGER,
      managerId: MANAGER,
      notAfter: END,
      issuingCa: certificateOf(subCa).toString(),
    })
  })

  it('is valid from the first to the last instant of its certificates', () => {
    expect(chainRefusal([leaf, subCa], { at: NOW })).toBe('not refused')
    expect(chainRefusal([leaf, subCa], { at: END })).toBe('not refused')
    for (const at of [NOW - 1, END + 1])
      expect(chainRefusal([leaf, subCa], { at })).toBe(
        `dates: the certificate of one answer-signer is not valid at ${toIsoString(at)}`,
      )
  })

  it('is not valid if one of its certificates is not', async () => {
    const early = { notAfter: NOW + DAY }
    const shortCa = await issue(root, 'sub-ca', early)
    const ofShortCa = await issue(shortCa, 'answer-signer')
    expect(chainRefusal([ofShortCa, shortCa], { at: NOW + 2 * DAY })).toContain('dates')
    const shortLeaf = await issue(subCa, 'answer-signer', early)
    expect(chainRefusal([shortLeaf, subCa], { at: NOW + 2 * DAY })).toContain('dates')
  })

  it('consists of a certificate and its issuing CA, by up to three roots', async () => {
    const beside = 'untrusted: the chain does not consist of a certificate and its issuing CA'
    expect(chainRefusal([])).toBe(beside)
    expect(chainRefusal([leaf])).toBe(beside)
    const foreign = await issue(otherRoot, 'sub-ca')
    expect(chainRefusal([leaf, subCa, foreign, foreign])).toBe('not refused')
    expect(chainRefusal([leaf, subCa, foreign, foreign, foreign])).toBe(beside)
  })

  it('leads to a trusted root by any certificate of its issuing CA', async () => {
    const key = createPublicKey(createPrivateKey(subCa.privateKey))
    const byOther = await issueCertificate(otherRoot, key, { ...facts, role: 'sub-ca', name: 'one sub-ca' })
    const crossed = { ...subCa, certificate: byOther }
    const roots = [otherRoot]
    expect(check([leaf, subCa, crossed], { roots }).issuingCa).toBe(new X509Certificate(byOther).toString())
    expect(chainRefusal([leaf, subCa], { roots })).toBe(
      'untrusted: the chain of one answer-signer does not lead to a trusted root',
    )
    expect(chainRefusal([leaf, subCa], { roots: [] })).toContain('untrusted')
    expect(chainRefusal([leaf, subCa], { roots: [otherRoot, root] })).toBe('not refused')
  })

  it('is refused if its issuing CA did not issue the certificate, by name or by key', async () => {
    const key = createPublicKey(createPrivateKey(subCa.privateKey))
    const renamed = await issueCertificate(root, key, { ...facts, role: 'sub-ca', name: 'renamed' })
    expect(chainRefusal([leaf, { ...subCa, certificate: renamed }])).toContain('not issued by the issuing CA')
    const another = await issue(root, 'sub-ca')
    expect(chainRefusal([leaf, another])).toBe(
      'untrusted: the certificate was not issued by the issuing CA of the chain',
    )
  })

  it('is valid only for its role', async () => {
    expect(chainRefusal([leaf, subCa], { role: 'instance' })).toBe(
      'role: the certificate of one answer-signer does not have the role instance',
    )
    const noCa = await issue(root, 'answer-signer')
    expect(chainRefusal([leaf, noCa])).toContain('untrusted')
  })

  it('is not trusted with self-signed certificates', async () => {
    const own = await newRoot()
    const ca = await issue(own, 'sub-ca')
    expect(chainRefusal([await issue(ca, 'answer-signer'), ca])).toContain('untrusted')
  })

  it('is refused if its certificates belong to different authorities', async () => {
    const mixed = await issue(subCa, 'answer-signer', { authorityId: SATELLITE })
    expect(chainRefusal([mixed, subCa])).toBe(
      'authority: the certificate and its issuing CA belong to different authorities',
    )
    const unnamedCa = await issue(root, 'sub-ca', { authorityId: '' })
    expect(chainRefusal([await issue(unnamedCa, 'answer-signer', { authorityId: '' }), unnamedCa])).toContain(
      'role',
    )
  })

  it('of a satellite must have its own smart account, and of a manager may have any', async () => {
    const account = 'other.example'
    const foreign = await issue(satelliteCa, 'answer-signer', { authorityId: SATELLITE, account })
    expect(chainRefusal([foreign, satelliteCa])).toBe(
      'authority: the certificate and its issuing CA belong to different smart accounts',
    )
    expect(check([await issue(subCa, 'answer-signer', { account }), subCa]).account).toBe(account)
  })

  it('names a product instance by its URI', async () => {
    const one = await issue(subCa, 'instance', { name: 'id-1' })
    expect(check([one, subCa], { role: 'instance' })).toMatchObject({ instanceId: 'id-1', role: 'instance' })
  })

  it('is not trusted if its root does not have the role root', async () => {
    const bare = await createTlsCa({ name: 'Root', notBefore: NOW, notAfter: END })
    const ca = await issue(bare, 'sub-ca')
    expect(chainRefusal([await issue(ca, 'answer-signer'), ca], { roots: [bare] })).toContain('untrusted')
  })

  it.each([
    ['instance', true],
    ['answer-signer', true],
    ['reservation-signer', true],
    ['audit-signer', true],
    ['tls', true],
    ['sync', false],
  ] as const)('of a satellite in the role %s is accepted: %s', async (role, good) => {
    const one = await issue(satelliteCa, role, { authorityId: SATELLITE })
    expect(chainRefusal([one, satelliteCa], { role })).toBe(
      good ? 'not refused' : `role: a satellite cannot sign in the role ${role}`,
    )
    const ofManager = await issue(subCa, role)
    expect(chainRefusal([ofManager, subCa], { role })).toBe('not refused')
  })

  it('is refused if a certificate cannot be read', () => {
    expect(() =>
      validateChain([leaf.certificate, 'no certificate'], { role: 'answer-signer', at: NOW, roots: [] }),
    ).toThrow('a certificate of the chain cannot be read')
  })
})

describe('a PEM file', () => {
  it('may have text between its certificates and must have a certificate', () => {
    const both = `before\n${root.certificate}between\n${subCa.certificate}after`
    expect(parseCertificates(both)).toHaveLength(2)
    expect(() => parseCertificates('nothing')).toThrow('the file contains no certificate')
    expect(() => parseCertificates('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toThrow(
      'cannot be read',
    )
  })

  it('of roots is refused if a certificate is not a root', async () => {
    expect(parseRoots(root.certificate + otherRoot.certificate)).toHaveLength(2)
    for (const other of [subCa, leaf])
      expect(() => parseRoots(root.certificate + other.certificate)).toThrow(
        'is not the root of an authority',
      )
    expect(() => parseRoots(subCa.certificate)).toThrow('the certificate of one sub-ca')
    const page = await createSelfSigned({ ...facts, name: 'page' })
    expect(() => parseRoots(page.certificates.join(''))).toThrow('the certificate of page')
    // Not self-signed; not a CA; without the role root; signed by another key with the same name.
    const crossed = await issue(root, 'root')
    const root1 = uriNames(
      formatCertificateUris({
        role: 'root',
        account: 'acme.example',
        authorityId: MANAGER,
        instanceId: null,
      }),
    )
    const ca = new x509.BasicConstraintsExtension(true)
    const others = [
      crossed.certificate,
      await own([root1]),
      await own([ca]),
      await own([ca, root1], await twoKeys()),
    ]
    for (const other of others) expect(() => parseRoots(other)).toThrow('is not the root of an authority')
    expect(parseRoots(await own([ca, root1]))).toHaveLength(1)
  })

  it('has the names of its certificates', () => {
    const { name, account, authorityId, notAfter } = describeCertificate(certificateOf(leaf))
    expect([name, account, authorityId, notAfter]).toEqual([
      'one answer-signer',
      'acme.example',
      MANAGER,
      END,
    ])
  })

  it('has no display name for a certificate with two common names', async () => {
    const twice = new X509Certificate(await own([], undefined, 'CN=one, CN=two, O=acme.example'))
    expect(describeCertificate(twice)).toMatchObject({ name: '', role: null, account: '', authorityId: '' })
  })

  it('is refused for the names of a certificate with an unknown kind of key', () => {
    const der = certificateOf(leaf).raw.toString('hex').replace('06072a8648ce3d0201', '06072a8648ce3d0209')
    const unknown = new X509Certificate(Buffer.from(der, 'hex'))
    expect(() => describeCertificate(unknown)).toThrow(
      new ChainError('untrusted', 'the key of a certificate cannot be read'),
    )
  })
})

describe('a process that reads certificates before it loads TLS', () => {
  it('can create a TLS server afterwards', () => {
    const module = new URL('../../dist/src/pki/chain-validation.js', import.meta.url)
    const program = `
      const { readCertificateInfo } = await import(${JSON.stringify(module.href)})
      const { X509Certificate } = await import('node:crypto')
      readCertificateInfo(new X509Certificate(process.env.CERTIFICATE))
      const { createServer } = await import('node:https')
      createServer({})
    `
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, CERTIFICATE: root.certificate },
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
})

describe('certificates', () => {
  it('of CAs are CA certificates, and no others', () => {
    expect([root, subCa, leaf].map((one) => certificateOf(one).ca)).toEqual([true, true, false])
    expect(certificateOf(subCa).checkIssued(certificateOf(root))).toBe(true)
  })

  it('of servers have host names and addresses', async () => {
    const hosts = [
      'authority.example',
      '192.0.2.7',
      '2001:db8::7',
      '1.2.3.4.example',
      'v1.2.3.4',
      '10.20.30.40',
    ]
    const one = certificateOf(await issue(subCa, 'tls', { hosts }))
    expect(one.checkHost('authority.example')).toBe('authority.example')
    expect(one.checkHost('1.2.3.4.example')).toBe('1.2.3.4.example')
    expect(one.checkHost('v1.2.3.4')).toBe('v1.2.3.4')
    expect(one.checkIP('192.0.2.7')).toBe('192.0.2.7')
    expect(one.checkIP('10.20.30.40')).toBe('10.20.30.40')
    expect(one.checkIP('2001:db8::7')).toBe('2001:db8::7')
    expect(one.checkHost('other.example')).toBeUndefined()
    for (const other of [await issue(subCa, 'tls', { hosts: [] }), leaf])
      expect(certificateOf(other).subjectAltName).not.toMatch(/DNS|IP/)
  })

  it('are converted to PEM for a TLS server, with their key', async () => {
    const page = await createSelfSigned({ ...facts, name: 'page', hosts: ['localhost'] })
    const { cert, key } = toTlsOptions(page)
    expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true)
    expect(new X509Certificate(cert).verify(createPublicKey(createPrivateKey(key)))).toBe(true)
    expect(new X509Certificate(cert).checkHost('localhost')).toBe('localhost')
  })
})

describe('a delegation', () => {
  const delegation = (more: Partial<Delegation> = {}): Delegation => ({
    use: 'mandate',
    satellite: SATELLITE,
    account: 'acme.example',
    issuingKey: hashPublicKey(certificateOf(satelliteCa).publicKey),
    epoch: 1,
    sequence: 3,
    quantities: [{ tag: 'HOST', quantity: 5 }],
    issuedAt: toIsoString(NOW + DAY),
    notAfter: toIsoString(NOW + 2 * DAY),
    ...more,
  })
  let sync: Credential
  beforeAll(async () => {
    sync = credential(await issue(subCa, 'sync'), subCa)
  })
  const by = (more: object = {}) => ({
    roots: [certificateOf(root)],
    satelliteId: SATELLITE,
    account: 'acme.example',
    issuingCa: satelliteCa.certificate,
    ...more,
  })
  const refusedFor = async (text: string | Promise<string>, more: object = {}) => {
    const given = await text
    return getRefusal(() => verifyDelegation(given, by(more)))
  }

  it('is verified and returned as the manager signed it', async () => {
    expect(verifyDelegation(await signDelegationJws(delegation(), sync), by())).toEqual(delegation())
  })

  it('is refused for another satellite or account, or by another signer', async () => {
    const signed = await signDelegationJws(delegation(), sync)
    const why = (text: string) => `MANDATE_INVALID: The delegation of the satellite cannot be used: ${text}.`
    expect(await refusedFor(signed, { satelliteId: MANAGER })).toBe(why('it was issued to another satellite'))
    expect(await refusedFor(signed, { issuingCa: subCa.certificate })).toBe(
      why('it was issued to another satellite'),
    )
    expect(await refusedFor(signed, { account: 'other.example' })).toBe(
      why('it was issued for another smart account'),
    )
    expect(await refusedFor(signed, { roots: [certificateOf(otherRoot)] })).toBe(
      why('the chain of one sync does not lead to a trusted root'),
    )
    const late = delegation({ issuedAt: toIsoString(END + DAY) })
    expect(await refusedFor(signDelegationJws(late, sync))).toContain('is not valid at')
    const signer = credential(leaf, subCa)
    expect(await refusedFor(signDelegationJws(delegation(), signer))).toContain('does not have the role sync')
    const stolen = { ...sync, privateKey: createPrivateKey(leaf.privateKey) }
    expect(await refusedFor(signDelegationJws(delegation(), stolen))).toBe(why('its signature is not valid'))
  })

  it('is refused if it is malformed', async () => {
    const signed = await signDelegationJws(delegation(), sync)
    const form = 'it is malformed'
    for (const text of ['', '..', `${signed}.`, `${signed}.more`, signed.replace(/^[^.]*/, ''), 'a.b.c'])
      expect(await refusedFor(text), text).toContain(form)
    expect(await refusedFor(signDelegationJws({ ...delegation(), epoch: 0 }, sync))).toContain(form)
    expect(await refusedFor(signDelegationJws({ ...delegation(), use: 'other' } as never, sync))).toContain(
      form,
    )
  })
})

describe('an offline file', () => {
  const what = { what: 'some file', title: 'TITLE' }
  const lines = ['TITLE', '', 'a line']
  const expected = (more: object = {}) => ({
    ...what,
    role: 'reservation-signer' as CertificateRole,
    roots: [certificateOf(root)],
    at: () => NOW + DAY,
    ...more,
  })
  let signer: Credential
  beforeAll(async () => {
    signer = credential(await issue(subCa, 'reservation-signer'), subCa)
  })

  it('is verified with its signer, at the instant given in its lines', () => {
    const text = signText(lines, signer)
    let asked: readonly string[] = []
    const at = (given: readonly string[]) => ((asked = given), NOW + DAY)
    const { signer: by, digest, ...rest } = verifyText(text, expected({ at }))
    expect(rest).toEqual({ lines })
    expect(asked).toEqual(lines)
    expect(by).toMatchObject({ name: 'one reservation-signer', managerId: MANAGER })
    expect(digest).toMatch(/^[\w-]{43}$/)
  })

  it('is refused if its signer was not valid then, is not trusted, or has another role', () => {
    const text = signText(lines, signer)
    expect(getRefusal(() => verifyText(text, expected({ at: () => END + DAY })))).toContain(
      `SIGNED_FILE_SIGNER_EXPIRED: The some file cannot be used at ${toIsoString(END + DAY)}: the certificate of`,
    )
    expect(getRefusal(() => verifyText(text, expected({ roots: [] })))).toContain(
      'SIGNED_FILE_UNTRUSTED: The some file cannot be used: the chain of one',
    )
    expect(getRefusal(() => verifyText(text, expected({ role: 'sync' })))).toContain('SIGNED_FILE_UNTRUSTED')
  })

  it('is refused if a character was changed, or its certificate is missing or has another kind of key', async () => {
    const altered = 'SIGNED_FILE_ALTERED: The some file was altered: its signature does not match its text.'
    const text = signText(lines, signer)
    expect(getRefusal(() => verifyText(text.replace('a line', 'b line'), expected()))).toBe(altered)
    const bare = signTextByKey(lines, signer.privateKey).text
    expect(getRefusal(() => verifyText(bare, expected()))).toBe(altered)
    const unread = {
      ...signer,
      certificates: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    }
    expect(getRefusal(() => verifyText(signText(lines, unread), expected()))).toBe(altered)
    const other = credential(await issue(subCa, 'reservation-signer'), subCa)
    expect(
      getRefusal(() => verifyText(signText(lines, { ...signer, privateKey: other.privateKey }), expected())),
    ).toBe(altered)
  })

  it('may be signed by a key without certificates', async () => {
    const { text, digest } = signTextByKey(lines, signer.privateKey)
    const key = createPublicKey(signer.privateKey)
    expect(verifyTextByKey(text, { ...what, key: () => key })).toEqual({ lines, digest })
    const other = createPublicKey(createPrivateKey(await generateKey()))
    for (const wrong of [other, null])
      expect(getRefusal(() => verifyTextByKey(text, { ...what, key: () => wrong }))).toContain('ALTERED')
    expect(getRefusal(() => verifyTextByKey(signText(lines, signer), { ...what, key: () => key }))).toContain(
      'ALTERED',
    )
  })
})

describe('a root rotation', () => {
  let nextRoot: Issuer
  let held: TrustAnchors
  const DUE = NOW + 5 * DAY
  beforeAll(async () => {
    nextRoot = await newRoot({ name: 'Second root' })
    held = parseTrustAnchors(root.certificate)
  })
  const bundle = (more: Partial<RootRotation> = {}): RootRotation => ({
    number: 2,
    managerId: MANAGER,
    issuedAt: NOW,
    until: DUE,
    roots: [nextRoot, root].map(({ certificate }) => certificate),
    ...more,
  })
  const signed = (more: Partial<RootRotation> = {}, by = [root, nextRoot]) =>
    signRootRotation(bundle(more), by)
  /** Signs a statement with any content. */
  async function signedWith(more: object): Promise<string> {
    const content = {
      ...bundle(),
      use: 'trust-bundle',
      issuedAt: toIsoString(NOW),
      until: toIsoString(DUE),
      ...more,
    }
    const { payload, ...signature } = await signMessage(content, {
      type: 'sla-trust-bundle+jws',
      ...credential(root),
    })
    return JSON.stringify({ payload, signatures: [signature] })
  }
  const updated = (): TrustAnchors => ({
    number: 2,
    roots: [
      { pem: nextRoot.certificate, until: null },
      { pem: root.certificate, until: DUE },
    ],
  })

  it('is applied if a trusted root signed it, and limits the trust in the previous root', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    expect(anchors).toEqual(updated())
    const names = (at: number) => getTrustedRoots(anchors, at).map(({ subject }) => subject.split('\n')[0])
    expect(names(DUE - 1)).toEqual(['CN=Second root', 'CN=Root'])
    expect(names(DUE)).toEqual(['CN=Second root'])
    expect(parseRoots(formatTrustedRoots(anchors, NOW))).toHaveLength(2)
    expect(getTrustedRoots(held, NOW + 1e12)).toHaveLength(1)
  })

  it('is applied if its own root is trusted, and in the order of the numbers', async () => {
    const third = await newRoot({ name: 'Third root' })
    const second = await signed()
    const after = await signed(
      { number: 3, roots: [third, nextRoot].map(({ certificate }) => certificate), until: DUE + DAY },
      [nextRoot, third],
    )
    expect(applyRotations(held, [after, second], NOW)).toMatchObject({ number: 3 })
    expect(applyRotations(held, [after], NOW)).toBe(held)
    const own = parseTrustAnchors(nextRoot.certificate)
    expect(applyRotations(own, [second], NOW)).toEqual(updated())
    expect(applyRotations(own, [await signed({}, [nextRoot, root])], NOW)).toEqual(updated())
  })

  it('is ignored if it is not newer', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    expect(applyRotations(anchors, [await signed()], NOW)).toBe(anchors)
    const fifth = applyRotations(held, [await signed({ number: 5 })], NOW)
    expect(applyRotations(fifth, [await signed({ number: 4 })], NOW)).toBe(fifth)
  })

  it('is ignored if it is signed by a root that is no longer trusted', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    const late = await signed({ number: 3 }, [root])
    expect(applyRotations(anchors, [late], DUE)).toBe(anchors)
    expect(applyRotations(anchors, [late], DUE - 1)).toMatchObject({ number: 3 })
  })

  it.each<[string, () => Promise<string>]>([
    ['signed by an unknown root', () => signed({}, [otherRoot])],
    [
      'without signatures',
      async () => JSON.stringify({ ...(JSON.parse(await signed()) as object), signatures: [] }),
    ],
    ['of another authority', () => signed({ managerId: SATELLITE })],
    ['with number 1', () => signed({ number: 1 })],
    ['without roots', () => signed({ roots: [] })],
    ['with five roots', () => signed({ roots: Array<string>(5).fill(root.certificate) })],
    ['with a certificate that is not a root', () => signed({ roots: [subCa.certificate] })],
    ['with a text that is not a certificate', () => signed({ roots: ['text'] })],
    [
      'with a root of another authority',
      async () => signed({ roots: [(await newRoot({ authorityId: SATELLITE })).certificate] }),
    ],
    [
      'of another authority than its signer',
      async () =>
        signed({
          managerId: SATELLITE,
          roots: [(await newRoot({ authorityId: SATELLITE })).certificate],
        }),
    ],
    [
      'with one of two roots of another authority',
      async () =>
        signed({ roots: [root.certificate, (await newRoot({ authorityId: SATELLITE })).certificate] }),
    ],
    ['with an issue time without milliseconds', () => signedWith({ issuedAt: '2027-01-01T00:00:00Z' })],
    ['with an end without milliseconds', () => signedWith({ until: '2027-01-06T00:00:00Z' })],
    ['that is not JSON', () => Promise.resolve('text')],
    ['that is empty JSON', () => Promise.resolve('{}')],
    [
      'that was changed after signing',
      async () => {
        const whole = JSON.parse(await signed()) as { payload: string; signatures: unknown }
        const payload = Buffer.from(
          JSON.stringify({ ...JSON.parse(Buffer.from(whole.payload, 'base64url').toString()), number: 9 }),
        )
        return JSON.stringify({ ...whole, payload: payload.toString('base64url') })
      },
    ],
  ])('%s is ignored, and a valid one beside it is applied', async (_, make) => {
    const wrong = await make()
    expect(applyRotations(held, [wrong], NOW)).toBe(held)
    expect(applyRotations(held, [wrong, await signed()], NOW)).toMatchObject({ number: 2 })
  })

  it('is ignored after the first fifty texts', async () => {
    expect(applyRotations(held, [await signedWith({})], NOW)).toEqual(updated())
    const many = Array<string>(49).fill('text')
    expect(applyRotations(held, [...many, await signed()], NOW)).toEqual(updated())
    expect(applyRotations(held, ['text', ...many, await signed()], NOW)).toBe(held)
  })

  it('is verified by any signature of a trusted root', async () => {
    expect(applyRotations(held, [await signed({}, [otherRoot, root])], NOW)).toMatchObject({ number: 2 })
    // A header may have an unreadable certificate or no certificate.
    const whole = JSON.parse(await signed()) as { payload: string; signatures: { protected: string }[] }
    const head = (x5c: string[]) =>
      Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'sla-trust-bundle+jws', x5c })).toString('base64url')
    for (const x5c of [[], ['AAAA']]) {
      const signatures = [{ protected: head(x5c), signature: 'AAAA' }, ...whole.signatures]
      expect(applyRotations(held, [JSON.stringify({ ...whole, signatures })], NOW)).toMatchObject({
        number: 2,
      })
    }
  })

  it('has a number and roots that can be read without verification', async () => {
    const text = await signed()
    expect([parseRotationVersion(text), parseRotationVersion('text'), parseRotationVersion('{}')]).toEqual([
      2,
      null,
      null,
    ])
    expect(parseRotationRoots(text).map(({ subject }) => subject.split('\n')[0])).toEqual([
      'CN=Second root',
      'CN=Root',
    ])
    expect(parseRotationRoots('text')).toEqual([])
  })

  it('is written to one file together with earlier rotations', async () => {
    const texts = [await signed(), await signed({ number: 3 })]
    const file = formatRootRotations(texts)
    expect(parseRootRotations(file)?.map(parseRotationVersion)).toEqual([2, 3])
    expect(applyRotations(held, parseRootRotations(file) ?? [], NOW)).toMatchObject({ number: 3 })
    for (const none of ['', 'text', '{}', '{"trustBundles":[]}', '{"trustBundles":[{}]}'])
      expect(parseRootRotations(none)).toBeNull()
  })

  it('from a file is installed, or refused with TRUST_BUNDLE_REFUSED and the reason', async () => {
    const anchors = installRotations(held, [await signed()], NOW)
    expect(anchors).toEqual(updated())
    const refusedFor = async (from: TrustAnchors, text: string | Promise<string>) => {
      const given = await text
      return getRefusal(() => installRotations(from, [given], NOW))
    }
    expect(await refusedFor(anchors, signed())).toBe(
      'TRUST_BUNDLE_REFUSED: The newest root rotation in the file is number 2, but number 2 is already installed.',
    )
    const none =
      'TRUST_BUNDLE_REFUSED: None of the root rotations in the file is signed by a trusted root certificate.'
    expect(await refusedFor(held, signed({}, [otherRoot]))).toBe(none)
    expect(await refusedFor(held, 'text')).toBe(none)
    expect(await refusedFor(anchors, signed({ number: 3 }, [otherRoot]))).toBe(none)
  })
})
