import { generateKeyPairSync } from 'node:crypto'
import { decodeProtectedHeader, FlattenedSign, flattenedVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import {
  decodePayloadUnverified,
  signMessage,
  verifyMessage,
  getCertificateChain,
} from '../../src/pki/signed-message.ts'

const pair = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve })
const TYPE = 'sla-request+jws'
const PAYLOAD = { text: 'ä "quoted" \u2028 𝄞', number: 1.5e-7, list: [null, true, {}] }

const byJose = async (header: object, key = pair()): Promise<{ sealed: SignedMessage; key: typeof key }> => {
  const jws = await new FlattenedSign(Buffer.from(JSON.stringify(PAYLOAD)))
    .setProtectedHeader({ alg: 'ES256', typ: TYPE, ...header })
    .sign(key.privateKey, { crit: { exp: true, b64: true } })
  return { sealed: { protected: jws.protected ?? '', payload: jws.payload, signature: jws.signature }, key }
}

describe('a signed message', () => {
  test('is verified as a flattened JWS by the library jose', async () => {
    const { publicKey, privateKey } = pair()
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const sealed = await signMessage(PAYLOAD, { type: TYPE, privateKey, certificates: [pem] })
    const { payload, protectedHeader } = await flattenedVerify({ ...sealed }, publicKey, {
      algorithms: ['ES256'],
    })
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(PAYLOAD)
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: TYPE, x5c: ['AAAA'] })
    expect(decodeProtectedHeader(sealed)).toEqual(protectedHeader)
    expect(getCertificateChain(sealed, TYPE)).toEqual([pem])
  })
})

describe('message verification', () => {
  test('accepts a JWS that the library jose signed', async () => {
    const { sealed, key } = await byJose({})
    expect(await verifyMessage(sealed, TYPE, key.publicKey)).toBe(true)
    expect(decodePayloadUnverified(sealed)).toEqual(PAYLOAD)
    expect(getCertificateChain(sealed, TYPE)).toEqual([])
    expect(await verifyMessage(sealed, 'sla-answer+jws', key.publicKey)).toBe(false)
    expect(await verifyMessage(sealed, TYPE, pair().publicKey)).toBe(false)
    expect(
      await verifyMessage({ ...sealed, payload: sealed.payload.slice(0, -4) }, TYPE, key.publicKey),
    ).toBe(false)
  })

  test('refuses critical header parameters and unencoded payloads', async () => {
    for (const header of [
      { crit: ['exp'], exp: 1 },
      { b64: true, crit: ['b64'] },
      { x5c: 'AAAA' },
      { typ: 5 },
    ]) {
      const { sealed, key } = await byJose(header)
      expect(await verifyMessage(sealed, TYPE, key.publicKey), JSON.stringify(header)).toBe(false)
    }
  })

  test('refuses another kind of key and other encodings of the signature', async () => {
    const { sealed, key } = await byJose({})
    for (const other of [
      pair('P-384'),
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ed25519'),
    ])
      expect(await verifyMessage(sealed, TYPE, other.publicKey)).toBe(false)
    for (const signature of ['', 'AAAA', `${sealed.signature}AA`, sealed.signature.slice(0, -2)])
      expect(await verifyMessage({ ...sealed, signature }, TYPE, key.publicKey)).toBe(false)
    // The last of 86 characters has padding bits, so another character encodes the same bytes.
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const respelt =
      sealed.signature.slice(0, -1) + characters.charAt(characters.indexOf(sealed.signature.slice(-1)) + 1)
    expect(Buffer.from(respelt, 'base64url')).toEqual(Buffer.from(sealed.signature, 'base64url'))
    expect(await verifyMessage({ ...sealed, signature: respelt }, TYPE, key.publicKey)).toBe(false)
    for (const head of [
      '',
      '!!',
      Buffer.from('null').toString('base64url'),
      Buffer.from('{"alg":"none"}').toString('base64url'),
    ])
      expect(await verifyMessage({ ...sealed, protected: head }, TYPE, key.publicKey)).toBe(false)
  })
})
