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

/** How a request code is made, said once more: what is wrong in one way alone must be right in every other. */
const checked = (body: Buffer): string =>
  encodeHumanCode(
    Buffer.concat([
      body,
      createHash('sha256').update('smart licensing request code').update(body).digest().subarray(0, 4),
    ]),
  )
const bodyOf = (code: string): Buffer => Buffer.from(decodeHumanCode(code, 'request code')).subarray(0, -4)

const SIGNS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
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
  it('R-SLR-2: says which box asks, with which request and which key', () => {
    fc.assert(
      fc.property(request, (one) => {
        expect(decodeRequestCode(encodeRequestCode(one))).toEqual(one)
      }),
    )
  })

  it('R-SLR-7: may be typed in small letters, with spaces and line breaks anywhere', () => {
    const typed = encodeRequestCode(example)
      .toLowerCase()
      .replaceAll('-', ' ')
      .replace(/(.{17})/g, '$1\r\n ')
    expect(decodeRequestCode(`\n${typed}\n`)).toEqual(example)
  })

  it('R-SLR-7: with any one sign wrong in any way is told from a wrong code, by its group', () => {
    const signs = Array.from(encodeRequestCode(example).replaceAll('-', ''))
    for (const [at, sign] of signs.entries()) {
      for (const other of SIGNS) {
        if (other === sign) continue
        const failed = failure(() => decodeRequestCode(signs.with(at, other).join('')))
        expect(failed?.code).toBe('CODE_MISTYPED')
        expect(failed?.message).toContain(`group ${Math.floor(at / 6) + 1} is wrong`)
      }
    }
  })

  it('with a group too few or too many, or of another kind, says so', () => {
    const groups = encodeRequestCode(example).split('-')
    for (let at = 0; at < groups.length; at++)
      expect(failure(() => decodeRequestCode(groups.toSpliced(at, 1).join('-')))?.code).toMatch(
        /^CODE_(MISTYPED|MALFORMED)$/,
      )
    const confirmation = encodeProofCode(key, { ...exampleProof, kind: 'confirmation' })
    const refusal = failure(() => decodeRequestCode(confirmation))
    expect([refusal?.code, refusal?.message]).toEqual([
      'CODE_OTHER_KIND',
      'A confirmation code was given where a request code belongs.',
    ])
    expect(failure(() => decodeProofCode('return', confirmation))?.code).toBe('CODE_OTHER_KIND')
    expect(failure(() => decodeProofCode('confirmation', encodeRequestCode(example)))?.code).toBe(
      'CODE_OTHER_KIND',
    )
  })
})

describe('a request code whose every group is right', () => {
  const body = bodyOf(encodeRequestCode(example))
  const readFailure = (changed: Buffer) => {
    const failed = failure(() => decodeRequestCode(checked(changed)))
    return [failed?.code, failed?.message]
  }
  const malformed = (why: string) => ['CODE_MALFORMED', `The text given is not a request code: ${why}.`]

  it('is refused with any bit of its content changed, whose checksum is another', () => {
    const bytes = Buffer.from(decodeHumanCode(encodeRequestCode(example), 'request code'))
    for (let at = 1; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const failed = failure(() =>
          decodeRequestCode(encodeHumanCode(bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit)))),
        )
        expect([failed?.code, failed?.message]).toEqual(malformed('its end is missing or changed'))
      }
    }
    expect(decodeRequestCode(checked(body))).toEqual(example)
  })

  it('is refused by what is wrong in it: its version, its kind, the box, its number', () => {
    expect(readFailure(Buffer.from(body.with(0, 0x21)))).toEqual(
      malformed('it is of no version this program knows'),
    )
    for (const version of [0, 3, 15])
      expect(readFailure(Buffer.from(body.with(0, (version << 4) | 1)))[1]).toContain('it is of no version')
    for (const kind of [0, 4, 15])
      expect(readFailure(Buffer.from(body.with(0, 0x10 | kind)))).toEqual(
        malformed('it is of no kind this program knows'),
      )
    const box = malformed('it does not name a box')
    expect(readFailure(Buffer.concat([body, Buffer.of(0)]))).toEqual(box)
    expect(readFailure(body.subarray(0, -1))).toEqual(box)
    // The length of the product id: the texts after it end elsewhere.
    expect(readFailure(Buffer.from(body.with(36, 6)))).toEqual(box)
    expect(readFailure(Buffer.concat([body.subarray(0, 36), Buffer.of(0, 0, 0)]))).toEqual(box)
    expect(readFailure(body.subarray(0, 36))).toEqual(box)
    expect(readFailure(Buffer.from(body.fill(0, 1, 4)))).toEqual(malformed('it has no number'))
  })

  it('counts to sixteen million and more: each byte of its number is its own', () => {
    for (const number of [1, 255, 256, 0xffff, 0x1_0000, 0x12_3456, 0xff_ffff])
      expect(decodeRequestCode(encodeRequestCode({ ...example, number })).number).toBe(number)
  })
})

describe('a confirmation or return code', () => {
  it('proves one thing about one reservation of one box, under one key', () => {
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

  it('proves nothing where its hint or its number is not the reservation’s, whatever its MAC', () => {
    const written = decodeProofCode('return', encodeProofCode(key, exampleProof))
    expect(written.hint).toBe('2102138f')
    expect(verifyProof(key, written, exampleProof)).toBe(true)
    expect(verifyProof(key, { ...written, hint: '2102138e' }, exampleProof)).toBe(false)
    expect(verifyProof(key, { ...written, sequence: 3 }, exampleProof)).toBe(false)
    expect(
      verifyProof(key, { ...written, mac: written.mac.with(9, (written.mac[9] ?? 0) ^ 1) }, exampleProof),
    ).toBe(false)
  })

  it('whose every group is right is refused where it is too long or too short', () => {
    const bytes = decodeHumanCode(encodeProofCode(key, exampleProof), 'return code')
    for (const changed of [bytes.subarray(0, -1), Uint8Array.of(...bytes, 0), bytes.subarray(0, 1)]) {
      const failed = failure(() => decodeProofCode('return', encodeHumanCode(changed)))
      expect([failed?.code, failed?.message]).toEqual([
        'CODE_MALFORMED',
        'The text given is not a return code: its end is missing or changed.',
      ])
    }
  })

  it('carries its number in two bytes', () => {
    for (const sequence of [1, 255, 256, 0x1234, 0xffff])
      expect(decodeProofCode('return', encodeProofCode(key, { ...exampleProof, sequence })).sequence).toBe(
        sequence,
      )
  })

  it('is short enough to be typed: six groups', () => {
    expect(encodeProofCode(key, exampleProof)).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{6}-){5}[0-9A-HJKMNP-TV-Z]{4}$/)
  })

  it('R-SLR-7: with any one sign wrong in any way is told from a wrong code, by its group', () => {
    const signs = Array.from(encodeProofCode(key, exampleProof).replaceAll('-', ''))
    for (const [at, sign] of signs.entries()) {
      for (const other of SIGNS) {
        if (other === sign) continue
        expect(failure(() => decodeProofCode('return', signs.with(at, other).join('')))?.code).toBe(
          'CODE_MISTYPED',
        )
      }
    }
  })
})

it('random text is no code, and never gives anything but the documented errors', () => {
  const readers = [
    decodeRequestCode,
    (text: string) => decodeProofCode('confirmation', text),
    (text: string) => decodeProofCode('return', text),
  ]
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.stringMatching(/^[0-9A-HJKMNP-TV-Z]{0,80}$/),
    fc.string({ unit: 'binary', maxLength: 200 }),
    // A code with something in it changed, cut or doubled.
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
        expect(whole.some((one) => one.replace(/\W/g, '') === given.replace(/\W/g, '').toUpperCase())).toBe(
          true,
        )
      else expect(['CODE_MISTYPED', 'CODE_MALFORMED', 'CODE_OTHER_KIND']).toContain(failed.code)
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? selectScale(3_000, 20_000)) },
  )
})
