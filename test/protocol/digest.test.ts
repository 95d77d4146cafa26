import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  hashAnswer,
  toCanonicalJson,
  hashRequestPayload,
  listSerialForms,
  hashUdi,
} from '../../src/protocol/digest.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

describe('the canonical JSON of a value', () => {
  it('does not depend on the order of its members', () => {
    expect(toCanonicalJson({ b: [1, 'é'], a: null })).toBe('{"a":null,"b":[1,"é"]}')
  })

  it('is refused for a value that is not JSON', () => {
    expect(() => toCanonicalJson(undefined)).toThrow(new TypeError('not a JSON value'))
  })
})

describe('the digest of a request', () => {
  it('covers everything except the nonce, and leaves the request unchanged', () => {
    const request = { type: 'authorize', nonce: 'one', sequence: 4 }
    expect(hashRequestPayload(request)).toBe(sha256('{"sequence":4,"type":"authorize"}'))
    expect(hashRequestPayload({ ...request, nonce: 'other' })).toBe(hashRequestPayload(request))
    expect(hashRequestPayload({ ...request, sequence: 5 })).not.toBe(hashRequestPayload(request))
    expect(request.nonce).toBe('one')
  })
})

describe('the digest of an answer', () => {
  it('covers its message id and its decision', () => {
    expect(hashAnswer('m1', { outcome: 'accepted' })).toBe(
      sha256('{"decision":{"outcome":"accepted"},"messageId":"m1"}'),
    )
  })
})

describe('the digest of a UDI', () => {
  it('covers product id and serial number with a separator between', () => {
    expect(hashUdi('AB', 'C')).toBe(sha256('AB\u0000C'))
    expect(hashUdi('A', 'BC')).not.toBe(hashUdi('AB', 'C'))
  })

  it('is taken from a redacted serial number unchanged', () => {
    const digest = hashUdi('CONF', '0001')
    expect(hashUdi('CONF', `sha256:${digest}`)).toBe(digest)
    expect(listSerialForms('CONF', '0001')).toEqual(['0001', `sha256:${digest}`])
    expect(hashUdi('CONF', '0001-sha256:')).toBe(sha256('CONF\u00000001-sha256:'))
  })
})
