import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import { createRoot } from '../../src/pki/certificate-generation.ts'
import { encodeElement, INTEGER, SEQUENCE, encodeTime } from '../../src/pki/der.ts'
import { parseLeafCertificate } from '../../src/pki/leaf-certificate.ts'
import { parseCsr } from '../../src/pki/certificate-request.ts'
import { importP256Key } from '../../src/pki/p256-key.ts'
import { signMessage, verifyMessage } from '../../src/pki/signed-message.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = publicKey.export({ type: 'spki', format: 'der' })
const pemOf = (kind: string, der: Buffer) =>
  `-----BEGIN ${kind}-----\n${der.toString('base64')}\n-----END ${kind}-----\n`
const empty = encodeElement(SEQUENCE)

describe('a P-256 key', () => {
  it('is imported from its canonical encoding', () => {
    const read = importP256Key(spki)
    expect(read?.key.equals(publicKey)).toBe(true)
    expect(read?.spki).toEqual(spki)
  })

  it('is refused with a missing or extra byte, of another kind, or with a point that is not on the curve', () => {
    expect(importP256Key(spki.subarray(0, -1))).toBeNull()
    expect(importP256Key(Buffer.concat([spki, Buffer.of(0)]))).toBeNull()
    expect(importP256Key(spki.subarray(0, 40))).toBeNull()
    // The object identifier of another curve, followed by a point of P-256.
    const otherCurve = Buffer.from(
      spki.toString('hex').replace('2a8648ce3d030107', '2a8648ce3d030106'),
      'hex',
    )
    expect(otherCurve).not.toEqual(spki)
    expect(importP256Key(otherCurve)).toBeNull()
    const offCurve = Buffer.from(spki)
    offCurve[90] = (offCurve[90] ?? 0) ^ 1
    expect(importP256Key(offCurve)).toBeNull()
  })
})

describe('a signature by ES256', () => {
  const verifyBy = async (namedCurve: string) => {
    const keys = generateKeyPairSync('ec', { namedCurve })
    const message = await signMessage(
      {},
      { type: 'sla-proof+jws', privateKey: keys.privateKey, certificates: [] },
    )
    return verifyMessage(message, 'sla-proof+jws', keys.publicKey)
  }
  it('is valid by a P-256 key, and not by a key of another curve of the same size', async () => {
    expect(await verifyBy('P-256')).toBe(true)
    for (const curve of ['secp256k1', 'brainpoolP256r1']) expect(await verifyBy(curve), curve).toBe(false)
  })
})

describe('a leaf certificate', () => {
  const validity = encodeElement(SEQUENCE, encodeTime(0), encodeTime(DAY))
  const made = (...fields: Buffer[]) =>
    pemOf('CERTIFICATE', encodeElement(SEQUENCE, encodeElement(SEQUENCE, ...fields)))
  const fields = (dates: Buffer, key: Buffer) => [empty, empty, empty, empty, dates, empty, key]

  it('is parsed to its key and its end', () => {
    expect(parseLeafCertificate(made(...fields(validity, spki)))).toMatchObject({ spki, notAfter: DAY })
  })

  it.each<[string, string]>([
    ['nothing', ''],
    ['bytes that are not DER', pemOf('CERTIFICATE', Buffer.of(1, 2, 3))],
    ['an empty one', pemOf('CERTIFICATE', empty)],
    ['one of no fields', made()],
    ['one without dates', made(...fields(empty, spki))],
    ['one that never ends', made(...fields(encodeElement(SEQUENCE, encodeTime(0)), spki))],
    ['one without a key', made(empty, empty, empty, empty, validity, empty)],
    ['one of another kind of key', made(...fields(validity, empty))],
  ])('is refused for %s', (_, pem) => {
    expect(parseLeafCertificate(pem)).toBeNull()
  })

  it('may be a root', async () => {
    const root = { name: 'Root', account: 'acme.example', authorityId: '3f0c', notBefore: 0, notAfter: DAY }
    expect(parseLeafCertificate((await createRoot(root)).certificate)?.notAfter).toBe(DAY)
  })
})

describe('a certificate request', () => {
  const ALGORITHM = Buffer.from('300a06082a8648ce3d040302', 'hex')
  const signature = encodeElement(3, Buffer.of(0), Buffer.alloc(70))
  const version = encodeElement(INTEGER, Buffer.of(0))
  const request = (...parts: Buffer[]) => pemOf('CERTIFICATE REQUEST', encodeElement(SEQUENCE, ...parts))

  /** Creates a request with a valid signature. */
  function signed(versionOf: Buffer): Buffer {
    const info = encodeElement(SEQUENCE, versionOf, empty, spki)
    const made = encodeElement(3, Buffer.of(0), sign('sha256', info, privateKey))
    return encodeElement(SEQUENCE, info, ALGORITHM, made)
  }

  it('is accepted with a valid signature and surrounding blanks, in canonical base64', () => {
    // The length is chosen so that the base64 ends with padding bits.
    let der = signed(version)
    while (der.length % 3 !== 2) der = signed(version)
    const pem = pemOf('CERTIFICATE REQUEST', der)
    for (const text of [pem, `\n ${pem}\n \n`]) expect(parseCsr(text)?.spki).toEqual(spki)
    for (const text of [`x${pem}`, `${pem}x`, `x ${pem}`]) expect(parseCsr(text)).toBeNull()
    const other = pem.replace(
      /(.)=\n/,
      (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=\n`,
    )
    expect(other).not.toBe(pem)
    expect(parseCsr(other)).toBeNull()
    expect(parseCsr(pemOf('CERTIFICATE REQUEST', signed(empty)))).toBeNull()
  })

  it.each<[string, string]>([
    ['nothing', request()],
    ['a body alone', request(encodeElement(SEQUENCE, version, empty, spki))],
    ['no signature', request(encodeElement(SEQUENCE, version, empty, spki), ALGORITHM)],
    ['no algorithm', request(encodeElement(SEQUENCE, version, empty, spki), signature)],
    ['an empty body', request(empty, ALGORITHM, signature)],
    ['a body without a key', request(encodeElement(SEQUENCE, version, empty), ALGORITHM, signature)],
    ['a body without a version', request(encodeElement(SEQUENCE, empty, empty, spki), ALGORITHM, signature)],
    [
      'an empty signature',
      request(encodeElement(SEQUENCE, version, empty, spki), ALGORITHM, encodeElement(3)),
    ],
    ['a wrong signature', request(encodeElement(SEQUENCE, version, empty, spki), ALGORITHM, signature)],
    ['an empty text', ''],
    [
      'text that is not base64',
      '-----BEGIN CERTIFICATE REQUEST-----\nA=AA\n-----END CERTIFICATE REQUEST-----',
    ],
  ])('is refused for %s', (_, pem) => {
    expect(parseCsr(pem)).toBeNull()
  })
})
