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
/** A pair that is none: what is signed by it does not fit its public key. */
const twoKeys = async () => ({ ...(await newKeys()), privateKey: (await newKeys()).privateKey })
/** A certificate that vouches for itself, as somebody else's tools might make it. */
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
/** URI names, as somebody else's tools write them. */
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
/** The reason, and the words, for which a chain is refused. */
const chainRefusal = (...asked: Parameters<typeof check>) => {
  try {
    check(...asked)
    return 'not refused'
  } catch (error) {
    return error instanceof ChainError ? `${error.reason}: ${error.message}` : String(error)
  }
}

describe('a chain', () => {
  it('says whose it is, by which CA, of which authority, until when', () => {
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

  it('is good from the first instant of its certificates to the last', () => {
    expect(chainRefusal([leaf, subCa], { at: NOW })).toBe('not refused')
    expect(chainRefusal([leaf, subCa], { at: END })).toBe('not refused')
    for (const at of [NOW - 1, END + 1])
      expect(chainRefusal([leaf, subCa], { at })).toBe(
        `dates: the certificate of one answer-signer is not valid at ${toIsoString(at)}`,
      )
  })

  it('is as good as each of its certificates', async () => {
    const early = { notAfter: NOW + DAY }
    const shortCa = await issue(root, 'sub-ca', early)
    const ofShortCa = await issue(shortCa, 'answer-signer')
    expect(chainRefusal([ofShortCa, shortCa], { at: NOW + 2 * DAY })).toContain('dates')
    const shortLeaf = await issue(subCa, 'answer-signer', early)
    expect(chainRefusal([shortLeaf, subCa], { at: NOW + 2 * DAY })).toContain('dates')
  })

  it('is a certificate and its issuing CA, by as many as three roots', async () => {
    const beside = 'untrusted: the chain is not a certificate and its issuing CA'
    expect(chainRefusal([])).toBe(beside)
    expect(chainRefusal([leaf])).toBe(beside)
    const foreign = await issue(otherRoot, 'sub-ca')
    expect(chainRefusal([leaf, subCa, foreign, foreign])).toBe('not refused')
    expect(chainRefusal([leaf, subCa, foreign, foreign, foreign])).toBe(beside)
  })

  it('leads to a root that is believed, by whichever certificate of its CA', async () => {
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

  it('is of the CA that issued the certificate: by its names, and by its key', async () => {
    const key = createPublicKey(createPrivateKey(subCa.privateKey))
    const renamed = await issueCertificate(root, key, { ...facts, role: 'sub-ca', name: 'renamed' })
    expect(chainRefusal([leaf, { ...subCa, certificate: renamed }])).toContain('not issued by the CA')
    const another = await issue(root, 'sub-ca')
    expect(chainRefusal([leaf, another])).toBe(
      'untrusted: the certificate was not issued by the CA beside it',
    )
  })

  it('is of its role alone', async () => {
    expect(chainRefusal([leaf, subCa], { role: 'instance' })).toBe(
      'role: the certificate of one answer-signer is not one for the role instance',
    )
    const noCa = await issue(root, 'answer-signer')
    expect(chainRefusal([leaf, noCa])).toContain('untrusted')
  })

  it('that anybody made does not lead anywhere', async () => {
    const own = await newRoot()
    const ca = await issue(own, 'sub-ca')
    expect(chainRefusal([await issue(ca, 'answer-signer'), ca])).toContain('untrusted')
  })

  it('is of one authority', async () => {
    const mixed = await issue(subCa, 'answer-signer', { authorityId: SATELLITE })
    expect(chainRefusal([mixed, subCa])).toBe(
      'authority: the certificate and its issuing CA are of different authorities',
    )
    const unnamedCa = await issue(root, 'sub-ca', { authorityId: '' })
    expect(chainRefusal([await issue(unnamedCa, 'answer-signer', { authorityId: '' }), unnamedCa])).toContain(
      'role',
    )
  })

  it('of a satellite is for its own smart account; a manager issues for each of its accounts', async () => {
    const account = 'other.example'
    const foreign = await issue(satelliteCa, 'answer-signer', { authorityId: SATELLITE, account })
    expect(chainRefusal([foreign, satelliteCa])).toBe(
      'authority: the certificate and its issuing CA are for different smart accounts',
    )
    expect(check([await issue(subCa, 'answer-signer', { account }), subCa]).account).toBe(account)
  })

  it('names a product instance where it is one, and nobody by its subject', async () => {
    const one = await issue(subCa, 'instance', { name: 'id-1' })
    expect(check([one, subCa], { role: 'instance' })).toMatchObject({ instanceId: 'id-1', role: 'instance' })
  })

  it('does not lead to what is called a root and is none', async () => {
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
  ] as const)('of a satellite in the role %s is good: %s', async (role, good) => {
    const one = await issue(satelliteCa, role, { authorityId: SATELLITE })
    expect(chainRefusal([one, satelliteCa], { role })).toBe(
      good ? 'not refused' : `role: a satellite signs nothing in the role ${role}`,
    )
    const ofManager = await issue(subCa, role)
    expect(chainRefusal([ofManager, subCa], { role })).toBe('not refused')
  })

  it('is refused where a certificate cannot be read', () => {
    expect(() =>
      validateChain([leaf.certificate, 'no certificate'], { role: 'answer-signer', at: NOW, roots: [] }),
    ).toThrow('a certificate of the chain cannot be read')
  })
})

describe('a file of certificates', () => {
  it('is read whatever stands between them; without one it is none', () => {
    const both = `before\n${root.certificate}between\n${subCa.certificate}after`
    expect(parseCertificates(both)).toHaveLength(2)
    expect(() => parseCertificates('nothing')).toThrow('the file holds no certificate')
    expect(() => parseCertificates('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toThrow(
      'cannot be read',
    )
  })

  it('of roots has nothing but roots', async () => {
    expect(parseRoots(root.certificate + otherRoot.certificate)).toHaveLength(2)
    for (const other of [subCa, leaf])
      expect(() => parseRoots(root.certificate + other.certificate)).toThrow(
        'is not the root of an authority',
      )
    expect(() => parseRoots(subCa.certificate)).toThrow('the certificate of one sub-ca')
    const page = await createSelfSigned({ ...facts, name: 'page' })
    expect(() => parseRoots(page.certificates.join(''))).toThrow('the certificate of page')
    // One that another signed; one that is no CA; one that is not called a root; one signed by another key of its name.
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

  it('tells the names that a certificate carries', () => {
    const { name, account, authorityId, notAfter } = describeCertificate(certificateOf(leaf))
    expect([name, account, authorityId, notAfter]).toEqual([
      'one answer-signer',
      'acme.example',
      MANAGER,
      END,
    ])
  })

  it('names nobody where a name is there twice', async () => {
    const twice = new X509Certificate(await own([], undefined, 'CN=one, CN=two, O=acme.example'))
    expect(describeCertificate(twice)).toMatchObject({ name: '', role: null, account: '', authorityId: '' })
  })

  it('names nobody where the kind of its key is not known', () => {
    const der = certificateOf(leaf).raw.toString('hex').replace('06072a8648ce3d0201', '06072a8648ce3d0209')
    const unknown = new X509Certificate(Buffer.from(der, 'hex'))
    expect(() => describeCertificate(unknown)).toThrow(
      new ChainError('untrusted', 'the key of a certificate cannot be read'),
    )
  })
})

describe('a process that reads certificates before it loads TLS', () => {
  it('can make a TLS server afterwards', () => {
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
  it('of CAs issue, and those of others sign', () => {
    expect([root, subCa, leaf].map((one) => certificateOf(one).ca)).toEqual([true, true, false])
    expect(certificateOf(subCa).checkIssued(certificateOf(root))).toBe(true)
  })

  it('are for the names and addresses of a server', async () => {
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

  it('are given to a TLS server as PEM, with their key', async () => {
    const page = await createSelfSigned({ ...facts, name: 'page', hosts: ['localhost'] })
    const { cert, key } = toTlsOptions(page)
    expect(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))).toBe(true)
    expect(new X509Certificate(cert).verify(createPublicKey(createPrivateKey(key)))).toBe(true)
    expect(new X509Certificate(cert).checkHost('localhost')).toBe('localhost')
  })
})

describe('a mandate', () => {
  const mandate = (more: Partial<Delegation> = {}): Delegation => ({
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

  it('is read as the manager signed it', async () => {
    expect(verifyDelegation(await signDelegationJws(mandate(), sync), by())).toEqual(mandate())
  })

  it('is refused where it is of another, for another, or by another', async () => {
    const signed = await signDelegationJws(mandate(), sync)
    const why = (text: string) => `MANDATE_INVALID: The mandate of the satellite cannot be used: ${text}.`
    expect(await refusedFor(signed, { satelliteId: MANAGER })).toBe(why('it is of another satellite'))
    expect(await refusedFor(signed, { issuingCa: subCa.certificate })).toBe(why('it is of another satellite'))
    expect(await refusedFor(signed, { account: 'other.example' })).toBe(
      why('it is for another smart account'),
    )
    expect(await refusedFor(signed, { roots: [certificateOf(otherRoot)] })).toBe(
      why('the chain of one sync does not lead to a trusted root'),
    )
    const late = mandate({ issuedAt: toIsoString(END + DAY) })
    expect(await refusedFor(signDelegationJws(late, sync))).toContain('is not valid at')
    const signer = credential(leaf, subCa)
    expect(await refusedFor(signDelegationJws(mandate(), signer))).toContain('not one for the role sync')
    const stolen = { ...sync, privateKey: createPrivateKey(leaf.privateKey) }
    expect(await refusedFor(signDelegationJws(mandate(), stolen))).toBe(why('its signature does not fit it'))
  })

  it('is refused where it is not of its form', async () => {
    const signed = await signDelegationJws(mandate(), sync)
    const form = 'it is not of its form'
    for (const text of ['', '..', `${signed}.`, `${signed}.more`, signed.replace(/^[^.]*/, ''), 'a.b.c'])
      expect(await refusedFor(text), text).toContain(form)
    expect(await refusedFor(signDelegationJws({ ...mandate(), epoch: 0 }, sync))).toContain(form)
    expect(await refusedFor(signDelegationJws({ ...mandate(), use: 'other' } as never, sync))).toContain(form)
  })
})

describe('a carried text', () => {
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

  it('is read with whoever signed it, at the instant that it tells', () => {
    const text = signText(lines, signer)
    let asked: readonly string[] = []
    const at = (given: readonly string[]) => ((asked = given), NOW + DAY)
    const { signer: by, digest, ...rest } = verifyText(text, expected({ at }))
    expect(rest).toEqual({ lines })
    expect(asked).toEqual(lines)
    expect(by).toMatchObject({ name: 'one reservation-signer', managerId: MANAGER })
    expect(digest).toMatch(/^[\w-]{43}$/)
  })

  it('is refused where its signer was not good then, is believed by nobody, or has another role', () => {
    const text = signText(lines, signer)
    expect(getRefusal(() => verifyText(text, expected({ at: () => END + DAY })))).toContain(
      `SIGNED_FILE_SIGNER_EXPIRED: The some file cannot be used at ${toIsoString(END + DAY)}: the certificate of`,
    )
    expect(getRefusal(() => verifyText(text, expected({ roots: [] })))).toContain(
      'SIGNED_FILE_UNTRUSTED: The some file cannot be used: the chain of one',
    )
    expect(getRefusal(() => verifyText(text, expected({ role: 'sync' })))).toContain('SIGNED_FILE_UNTRUSTED')
  })

  it('is refused where a sign of it changed, or it holds no certificate, or one of another kind of key', async () => {
    const altered = 'SIGNED_FILE_ALTERED: The some file was altered: its signature does not fit its text.'
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

  it('signed by a key alone is of that key, and holds no certificate', async () => {
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

describe('a bundle of roots', () => {
  let newRootOfMine: Issuer
  let held: TrustAnchors
  const DUE = NOW + 5 * DAY
  beforeAll(async () => {
    newRootOfMine = await newRoot({ name: 'Second root' })
    held = parseTrustAnchors(root.certificate)
  })
  const bundle = (more: Partial<RootRotation> = {}): RootRotation => ({
    number: 2,
    managerId: MANAGER,
    issuedAt: NOW,
    until: DUE,
    roots: [newRootOfMine, root].map(({ certificate }) => certificate),
    ...more,
  })
  const signed = (more: Partial<RootRotation> = {}, by = [root, newRootOfMine]) =>
    signRootRotation(bundle(more), by)
  /** One that says what ours never do. */
  async function sealed(more: object): Promise<string> {
    const said = {
      ...bundle(),
      use: 'trust-bundle',
      issuedAt: toIsoString(NOW),
      until: toIsoString(DUE),
      ...more,
    }
    const { payload, ...signature } = await signMessage(said, {
      type: 'sla-trust-bundle+jws',
      ...credential(root),
    })
    return JSON.stringify({ payload, signatures: [signature] })
  }
  const taken = (): TrustAnchors => ({
    number: 2,
    roots: [
      { pem: newRootOfMine.certificate, until: null },
      { pem: root.certificate, until: DUE },
    ],
  })

  it('is taken where a root that is held has signed it: the newest stays, the others for a while', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    expect(anchors).toEqual(taken())
    const names = (at: number) => getTrustedRoots(anchors, at).map(({ subject }) => subject.split('\n')[0])
    expect(names(DUE - 1)).toEqual(['CN=Second root', 'CN=Root'])
    expect(names(DUE)).toEqual(['CN=Second root'])
    expect(parseRoots(formatTrustedRoots(anchors, NOW))).toHaveLength(2)
    expect(getTrustedRoots(held, NOW + 1e12)).toHaveLength(1)
  })

  it('is taken by its own root too, and in the order of the numbers', async () => {
    const third = await newRoot({ name: 'Third root' })
    const second = await signed()
    const after = await signed(
      { number: 3, roots: [third, newRootOfMine].map(({ certificate }) => certificate), until: DUE + DAY },
      [newRootOfMine, third],
    )
    expect(applyRotations(held, [after, second], NOW)).toMatchObject({ number: 3 })
    expect(applyRotations(held, [after], NOW)).toBe(held)
    const own = parseTrustAnchors(newRootOfMine.certificate)
    expect(applyRotations(own, [second], NOW)).toEqual(taken())
    expect(applyRotations(own, [await signed({}, [newRootOfMine, root])], NOW)).toEqual(taken())
  })

  it('that is held already, or an older one, changes nothing', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    expect(applyRotations(anchors, [await signed()], NOW)).toBe(anchors)
    const fifth = applyRotations(held, [await signed({ number: 5 })], NOW)
    expect(applyRotations(fifth, [await signed({ number: 4 })], NOW)).toBe(fifth)
  })

  it('is not taken by a root whose time has passed', async () => {
    const anchors = applyRotations(held, [await signed()], NOW)
    const late = await signed({ number: 3 }, [root])
    expect(applyRotations(anchors, [late], DUE)).toBe(anchors)
    expect(applyRotations(anchors, [late], DUE - 1)).toMatchObject({ number: 3 })
  })

  it.each<[string, () => Promise<string>]>([
    ['by a root that nobody holds', () => signed({}, [otherRoot])],
    ['by nobody', async () => JSON.stringify({ ...(JSON.parse(await signed()) as object), signatures: [] })],
    ['of another authority', () => signed({ managerId: SATELLITE })],
    ['of number one', () => signed({ number: 1 })],
    ['of no roots', () => signed({ roots: [] })],
    ['of five roots', () => signed({ roots: Array<string>(5).fill(root.certificate) })],
    ['of what is no root', () => signed({ roots: [subCa.certificate] })],
    ['of what is no certificate', () => signed({ roots: ['text'] })],
    [
      'of a root of another authority',
      async () => signed({ roots: [(await newRoot({ authorityId: SATELLITE })).certificate] }),
    ],
    [
      'of an authority that is not the one of its signer',
      async () =>
        signed({
          managerId: SATELLITE,
          roots: [(await newRoot({ authorityId: SATELLITE })).certificate],
        }),
    ],
    [
      'of which one root is of another authority',
      async () =>
        signed({ roots: [root.certificate, (await newRoot({ authorityId: SATELLITE })).certificate] }),
    ],
    ['issued at no instant to the millisecond', () => sealed({ issuedAt: '2027-01-01T00:00:00Z' })],
    ['until no instant to the millisecond', () => sealed({ until: '2027-01-06T00:00:00Z' })],
    ['that is none', () => Promise.resolve('text')],
    ['that is none, in JSON', () => Promise.resolve('{}')],
    [
      'whose text was changed',
      async () => {
        const whole = JSON.parse(await signed()) as { payload: string; signatures: unknown }
        const payload = Buffer.from(
          JSON.stringify({ ...JSON.parse(Buffer.from(whole.payload, 'base64url').toString()), number: 9 }),
        )
        return JSON.stringify({ ...whole, payload: payload.toString('base64url') })
      },
    ],
  ])('%s is not taken, and what comes with it is', async (_, make) => {
    const wrong = await make()
    expect(applyRotations(held, [wrong], NOW)).toBe(held)
    expect(applyRotations(held, [wrong, await signed()], NOW)).toMatchObject({ number: 2 })
  })

  it('is taken where it is written by the rule, and not among more than fifty', async () => {
    expect(applyRotations(held, [await sealed({})], NOW)).toEqual(taken())
    const many = Array<string>(49).fill('text')
    expect(applyRotations(held, [...many, await signed()], NOW)).toEqual(taken())
    expect(applyRotations(held, ['text', ...many, await signed()], NOW)).toBe(held)
  })

  it('is found by whichever of its signatures is by a root that is held', async () => {
    expect(applyRotations(held, [await signed({}, [otherRoot, root])], NOW)).toMatchObject({ number: 2 })
    // A header may name a certificate that cannot be read, or none.
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

  it('tells its number and its roots, unchecked', async () => {
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

  it('is carried with those before it in one file', async () => {
    const texts = [await signed(), await signed({ number: 3 })]
    const file = formatRootRotations(texts)
    expect(parseRootRotations(file)?.map(parseRotationVersion)).toEqual([2, 3])
    expect(applyRotations(held, parseRootRotations(file) ?? [], NOW)).toMatchObject({ number: 3 })
    for (const none of ['', 'text', '{}', '{"trustBundles":[]}', '{"trustBundles":[{}]}'])
      expect(parseRootRotations(none)).toBeNull()
  })

  it('of a file is installed, or refused with the reason', async () => {
    const anchors = installRotations(held, [await signed()], NOW)
    expect(anchors).toEqual(taken())
    const refusedFor = async (from: TrustAnchors, text: string | Promise<string>) => {
      const given = await text
      return getRefusal(() => installRotations(from, [given], NOW))
    }
    expect(await refusedFor(anchors, signed())).toBe(
      'TRUST_BUNDLE_REFUSED: The file tells of bundle 2, and bundle 2 is installed already.',
    )
    const none =
      'TRUST_BUNDLE_REFUSED: None of the bundles in the file is signed by a root certificate that is believed here.'
    expect(await refusedFor(held, signed({}, [otherRoot]))).toBe(none)
    expect(await refusedFor(held, 'text')).toBe(none)
    expect(await refusedFor(anchors, signed({ number: 3 }, [otherRoot]))).toBe(none)
  })
})
