import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LicensingError } from '../../src/core/errors.ts'
import {
  toReservationHint,
  type OfflineProof,
  verifyProof,
  decodeProofCode,
  decodeRequestCode,
  encodeProofCode,
  encodeRequestCode,
} from '../../src/protocol/offline-codes.ts'
import { decodeHumanCode, encodeHumanCode } from '../../src/protocol/human-code.ts'
import { selectScale } from '../support/scale.ts'

/** Encodes a request code with a valid checksum, so that a changed body is wrong in no other way. */
const checked = (body: Buffer): string =>
  encodeHumanCode(
    Buffer.concat([
      body,
      createHash('sha256').update('smart licensing request code').update(body).digest().subarray(0, 4),
    ]),
  )
const bodyOf = (code: string): Buffer => Buffer.from(decodeHumanCode(code, 'request code')).subarray(0, -4)

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const failure = (read: () => unknown): LicensingError | null => {
  try {
    read()
    return null
  } catch (error) {
    if (error instanceof LicensingError) return error
    throw error
  }
}

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/+-]{0,30}$/)
const request = fc.record({
  udi: fc.record({ pid: word, serial: word, version: word }),
  number: fc.integer({ min: 1, max: 0xff_ffff }),
  deviceKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
})
const proof = fc.record({
  kind: fc.constantFrom('confirmation' as const, 'return' as const),
  udi: fc.record({ pid: word, serial: word }),
  reservationId: fc.uuid(),
  epoch: fc.integer({ min: 1, max: 1000 }),
  sequence: fc.integer({ min: 1, max: 0xffff }),
})
const key = randomBytes(32)
const example = {
  udi: { pid: 'CWMS-K9', serial: 'SN12345', version: '4.0' },
  number: 3,
  deviceKey: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
}
const exampleProof: OfflineProof = {
  kind: 'return',
  udi: example.udi,
  reservationId: '2102138f-2792-4b00-8d06-3b8223258c63',
  epoch: 1,
  sequence: 2,
}

describe('a request code', () => {
  it('R-SLR-2: contains the device, the number of the request and its key', () => {
    fc.assert(
      fc.property(request, (one) => {
        expect(decodeRequestCode(encodeRequestCode(one))).toEqual(one)
      }),
    )
  })

  it('R-SLR-7: may be typed in lower case, with spaces and line breaks anywhere', () => {
    const typed = encodeRequestCode(example)
      .toLowerCase()
      .replaceAll('-', ' ')
      .replace(/(.{17})/g, '$1\r\n ')
    expect(decodeRequestCode(`\n${typed}\n`)).toEqual(example)
  })

  it('R-SLR-7: is refused by the group of any single wrong character', () => {
    const characters = Array.from(encodeRequestCode(example).replaceAll('-', ''))
    for (const [at, character] of characters.entries()) {
      for (const other of ALPHABET) {
        if (other === character) continue
        const failed = failure(() => decodeRequestCode(characters.with(at, other).join('')))
        expect(failed?.code).toBe('CODE_MISTYPED')
        expect(failed?.message).toContain(`group ${Math.floor(at / 6) + 1} is wrong`)
      }
    }
  })

  it('is refused with a missing group, and with CODE_OTHER_KIND if it is a code of another kind', () => {
    const groups = encodeRequestCode(example).split('-')
    for (let at = 0; at < groups.length; at++)
      expect(failure(() => decodeRequestCode(groups.toSpliced(at, 1).join('-')))?.code).toMatch(
        /^CODE_(MISTYPED|MALFORMED)$/,
      )
    const confirmation = encodeProofCode(key, { ...exampleProof, kind: 'confirmation' })
    const refusal = failure(() => decodeRequestCode(confirmation))
    expect([refusal?.code, refusal?.message]).toEqual([
      'CODE_OTHER_KIND',
      'The text given is a confirmation code, not a request code.',
    ])
    expect(failure(() => decodeProofCode('return', confirmation))?.code).toBe('CODE_OTHER_KIND')
    expect(failure(() => decodeProofCode('confirmation', encodeRequestCode(example)))?.code).toBe(
      'CODE_OTHER_KIND',
    )
  })
})

describe('a request code with valid check characters', () => {
  const body = bodyOf(encodeRequestCode(example))
  const readFailure = (changed: Buffer) => {
    const failed = failure(() => decodeRequestCode(checked(changed)))
    return [failed?.code, failed?.message]
  }
  const malformed = (why: string) => ['CODE_MALFORMED', `The text given is not a request code: ${why}.`]

  it('is refused by its checksum if any bit of its content was changed', () => {
    const bytes = Buffer.from(decodeHumanCode(encodeRequestCode(example), 'request code'))
    for (let at = 1; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const failed = failure(() =>
          decodeRequestCode(encodeHumanCode(bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit)))),
        )
        expect([failed?.code, failed?.message]).toEqual(malformed('its end is missing or was changed'))
      }
    }
    expect(decodeRequestCode(checked(body))).toEqual(example)
  })

  it('is refused for an unknown version, an unknown kind, an invalid device or a missing number', () => {
    expect(readFailure(Buffer.from(body.with(0, 0x21)))).toEqual(
      malformed('this program does not support its version'),
    )
    for (const version of [0, 3, 15])
      expect(readFailure(Buffer.from(body.with(0, (version << 4) | 1)))[1]).toContain(
        'does not support its version',
      )
    for (const kind of [0, 4, 15])
      expect(readFailure(Buffer.from(body.with(0, 0x10 | kind)))).toEqual(
        malformed('this program does not support its kind'),
      )
    const noDevice = malformed('it does not name a device')
    expect(readFailure(Buffer.concat([body, Buffer.of(0)]))).toEqual(noDevice)
    expect(readFailure(body.subarray(0, -1))).toEqual(noDevice)
    // Byte 36 is the length of the product id, which moves the texts after it.
    expect(readFailure(Buffer.from(body.with(36, 6)))).toEqual(noDevice)
    expect(readFailure(Buffer.concat([body.subarray(0, 36), Buffer.of(0, 0, 0)]))).toEqual(noDevice)
    expect(readFailure(body.subarray(0, 36))).toEqual(noDevice)
    expect(readFailure(Buffer.from(body.fill(0, 1, 4)))).toEqual(malformed('its request number is 0'))
  })

  it('encodes its number in three bytes', () => {
    for (const number of [1, 255, 256, 0xffff, 0x1_0000, 0x12_3456, 0xff_ffff])
      expect(decodeRequestCode(encodeRequestCode({ ...example, number })).number).toBe(number)
  })
})

describe('a confirmation or return code', () => {
  it('proves one operation on one authorization of one device with one key', () => {
    fc.assert(
      fc.property(proof, proof, (one, other) => {
        const written = decodeProofCode(one.kind, encodeProofCode(key, one))
        expect(written).toMatchObject({ hint: toReservationHint(one.reservationId), sequence: one.sequence })
        expect(verifyProof(key, written, one)).toBe(true)
        expect(verifyProof(randomBytes(32), written, one)).toBe(false)
        for (const changed of [
          { ...one, kind: one.kind === 'return' ? ('confirmation' as const) : ('return' as const) },
          { ...one, udi: { ...one.udi, serial: `${one.udi.serial}x` } },
          { ...one, udi: { ...one.udi, pid: `${one.udi.pid}x` } },
          { ...one, epoch: one.epoch + 1 },
          { ...one, sequence: one.sequence + 1 },
          { ...one, reservationId: other.reservationId },
        ])
          expect(verifyProof(key, written, changed)).toBe(false)
      }),
    )
  })

  it('is not a proof if its hint, its number or its MAC does not match', () => {
    const written = decodeProofCode('return', encodeProofCode(key, exampleProof))
    expect(written.hint).toBe('2102138f')
    expect(verifyProof(key, written, exampleProof)).toBe(true)
    expect(verifyProof(key, { ...written, hint: '2102138e' }, exampleProof)).toBe(false)
    expect(verifyProof(key, { ...written, sequence: 3 }, exampleProof)).toBe(false)
    expect(
      verifyProof(key, { ...written, mac: written.mac.with(9, (written.mac[9] ?? 0) ^ 1) }, exampleProof),
    ).toBe(false)
  })

  it('is refused if it is too long or too short, even with valid check characters', () => {
    const bytes = decodeHumanCode(encodeProofCode(key, exampleProof), 'return code')
    for (const changed of [bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), bytes.subarray(0, 1)]) {
      const failed = failure(() => decodeProofCode('return', encodeHumanCode(changed)))
      expect([failed?.code, failed?.message]).toEqual([
        'CODE_MALFORMED',
        'The text given is not a return code: its end is missing or was changed.',
      ])
    }
  })

  it('encodes its number in two bytes', () => {
    for (const sequence of [1, 255, 256, 0x1234, 0xffff])
      expect(decodeProofCode('return', encodeProofCode(key, { ...exampleProof, sequence })).sequence).toBe(
        sequence,
      )
  })

  it('has six groups, which is short enough to type', () => {
    expect(encodeProofCode(key, exampleProof)).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{6}-){5}[0-9A-HJKMNP-TV-Z]{4}$/)
  })

  it('R-SLR-7: is refused as mistyped for any single wrong character', () => {
    const characters = Array.from(encodeProofCode(key, exampleProof).replaceAll('-', ''))
    for (const [at, character] of characters.entries()) {
      for (const other of ALPHABET) {
        if (other === character) continue
        expect(failure(() => decodeProofCode('return', characters.with(at, other).join('')))?.code).toBe(
          'CODE_MISTYPED',
        )
      }
    }
  })
})

it('decoding random text throws only the documented errors', () => {
  const readers = [
    decodeRequestCode,
    (text: string) => decodeProofCode('confirmation', text),
    (text: string) => decodeProofCode('return', text),
  ]
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{0,80}$/),
    fc.string({ unit: 'binary', maxLength: 200 }),
    // A valid code from which a part was removed.
    fc
      .tuple(
        fc.constantFrom(encodeRequestCode(example), encodeProofCode(key, exampleProof)),
        fc.nat(200),
        fc.nat(200),
      )
      .map(([code, a, b]) => code.slice(0, Math.min(a, b)) + code.slice(Math.max(a, b))),
  )
  fc.assert(
    fc.property(text, fc.constantFrom(...readers), (given, read) => {
      const whole = [encodeRequestCode(example), encodeProofCode(key, exampleProof)]
      const failed = failure(() => read(given))
      if (failed === null)
        expect(whole.some((code) => code.replace(/\W/g, '') === given.replace(/\W/g, '').toUpperCase())).toBe(
          true,
        )
      else expect(['CODE_MISTYPED', 'CODE_MALFORMED', 'CODE_OTHER_KIND']).toContain(failed.code)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? selectScale(3_000, 20_000)) },
  )
})
