import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { answerHash, canonical, requestDigest, serialsOf, udiDigest } from '../../src/protocol/digest.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

describe('the one text of a value', () => {
  it('is the same whatever the order of its names', () => {
    expect(canonical({ b: [1, 'é'], a: null })).toBe('{"a":null,"b":[1,"é"]}')
  })

  it('is refused for what is no JSON', () => {
    expect(() => canonical(undefined)).toThrow(new TypeError('not a JSON value'))
  })
})

describe('the digest of a request', () => {
  it('is of all but its nonce, which stays with the request', () => {
    const request = { type: 'authorize', nonce: 'one', sequence: 4 }
    expect(requestDigest(request)).toBe(sha256('{"sequence":4,"type":"authorize"}'))
    expect(requestDigest({ ...request, nonce: 'other' })).toBe(requestDigest(request))
    expect(requestDigest({ ...request, sequence: 5 })).not.toBe(requestDigest(request))
    expect(request.nonce).toBe('one')
  })
})

describe('the digest of an answer', () => {
  it('is of its message and its decision', () => {
    expect(answerHash('m1', { outcome: 'accepted' })).toBe(
      sha256('{"decision":{"outcome":"accepted"},"messageId":"m1"}'),
    )
  })
})

describe('the digest of a UDI', () => {
  it('is of product and serial number, with a sign between that is in neither', () => {
    expect(udiDigest('AB', 'C')).toBe(sha256('AB\u0000C'))
    expect(udiDigest('A', 'BC')).not.toBe(udiDigest('AB', 'C'))
  })

  it('is taken as it is where the serial number was left out', () => {
    const digest = udiDigest('CONF', '0001')
    expect(udiDigest('CONF', `sha256:${digest}`)).toBe(digest)
    expect(serialsOf('CONF', '0001')).toEqual(['0001', `sha256:${digest}`])
    expect(udiDigest('CONF', '0001-sha256:')).toBe(sha256('CONF\u00000001-sha256:'))
  })
})
