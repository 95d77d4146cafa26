import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BIT_STRING,
  DerError,
  encodeElement,
  readElements,
  readInstant,
  INTEGER,
  readElement,
  readSingleElement,
  SEQUENCE,
  encodeTime,
} from '../../src/pki/der.ts'

const bytes = (...values: number[]) => Buffer.from(values)

describe('an element of DER', () => {
  it.each([0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000])(
    'of %i bytes is read as it was encoded',
    (length) => {
      const content = Buffer.alloc(length, 7)
      const written = encodeElement(SEQUENCE, content.subarray(0, length >> 1), content.subarray(length >> 1))
      const read = readElement(Buffer.concat([bytes(1, 2), written, bytes(9)]), 2)
      expect([read.tag, read.content.equals(content), read.whole.equals(written)]).toEqual([
        SEQUENCE,
        true,
        true,
      ])
    },
  )

  it.each([
    ['one byte', [0x30, 0x7f], 0x7f],
    ['two bytes', [0x30, 0x81, 0x80], 0x80],
    ['three bytes', [0x30, 0x82, 0x01, 0x00], 0x100],
    ['four bytes', [0x30, 0x83, 0x01, 0x00, 0x00], 0x1_0000],
    ['five bytes', [0x30, 0x84, 0x01, 0x00, 0x00, 0x00], 0x100_0000],
  ])('may have a length of %s', (_, head, length) => {
    expect(readElement(Buffer.concat([Buffer.from(head), Buffer.alloc(length)])).content).toHaveLength(length)
  })

  it.each<[string, Buffer, string]>([
    ['nothing', bytes(), 'no element'],
    ['a tag alone', bytes(0x30), 'no element'],
    ['a tag of many bytes', bytes(0x1f, 0), 'no element'],
    ['a private tag of many bytes', bytes(0xbf, 0), 'no element'],
    ['an indefinite length', bytes(0x30, 0x80, 0, 0), 'no length'],
    ['a length of five bytes', bytes(0x30, 0x85, 0, 0, 0, 0, 1, 7), 'no length'],
    ['a truncated length', bytes(0x30, 0x82, 1), 'no length'],
    [
      'a long form of a short length',
      Buffer.concat([bytes(0x30, 0x81, 0x7f), Buffer.alloc(0x7f)]),
      'not the shortest',
    ],
    [
      'a length with a leading zero',
      Buffer.concat([bytes(0x30, 0x82, 0, 0x80), Buffer.alloc(0x80)]),
      'not the shortest',
    ],
    [
      'a longer length with a leading zero',
      Buffer.concat([bytes(0x30, 0x83, 0, 1, 0), Buffer.alloc(0x100)]),
      'not the shortest',
    ],
    ['truncated content', bytes(0x30, 2, 0), 'ends too late'],
    ['content missing after the length', bytes(0x30, 0x82, 1, 0), 'ends too late'],
  ])('is refused for %s', (_, der, why) => {
    expect(() => readElement(der)).toThrow(DerError)
    expect(() => readElement(der)).toThrow(why)
  })

  it('may end at the end of the bytes', () => {
    expect(readElement(bytes(0x02, 1, 5)).content).toEqual(bytes(5))
  })

  it('is refused as a single element with another tag or trailing bytes', () => {
    const one = encodeElement(INTEGER, bytes(5))
    expect(readSingleElement(one, INTEGER).content).toEqual(bytes(5))
    expect(() => readSingleElement(one, BIT_STRING)).toThrow('another element')
    expect(() => readSingleElement(Buffer.concat([one, bytes(0)]), INTEGER)).toThrow('another element')
  })

  it('contains its elements in order, and nothing but elements', () => {
    const [first, second] = [encodeElement(INTEGER, bytes(1)), encodeElement(BIT_STRING, bytes(0, 2))]
    expect(
      readElements(readElement(encodeElement(SEQUENCE, first, second))).map(({ whole }) => whole),
    ).toEqual([first, second])
    expect(readElements(readElement(encodeElement(SEQUENCE)))).toEqual([])
    expect(() => readElements(readElement(encodeElement(SEQUENCE, first, bytes(2))))).toThrow(DerError)
  })

  it('is read from any bytes, or refused with DerError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (some, offset) => {
        try {
          const { whole, content } = readElement(Buffer.from(some), offset)
          return whole.length > content.length
        } catch (error) {
          return error instanceof DerError
        }
      }),
    )
  })
})

describe('a time of a certificate', () => {
  const time = (tag: number, text: string) => readElement(encodeElement(tag, Buffer.from(text)))
  it.each([
    [0x17, '270102030405Z', '2027-01-02T03:04:05.000Z'],
    [0x17, '491231235959Z', '2049-12-31T23:59:59.000Z'],
    [0x17, '500101000000Z', '1950-01-01T00:00:00.000Z'],
    [0x17, '991231235959Z', '1999-12-31T23:59:59.000Z'],
    [0x18, '20500101000000Z', '2050-01-01T00:00:00.000Z'],
  ])('%i %s is %s', (tag, text, instant) => {
    expect(new Date(readInstant(time(tag, text))).toISOString()).toBe(instant)
  })

  it.each([
    [0x17, '20270102030405Z'],
    [0x18, '270102030405Z'],
    [0x16, '20270102030405Z'],
    [0x16, '270102030405Z'],
    [0x17, '2701020304Z'],
    [0x17, '270102030405'],
    [0x17, '270102030405Zx'],
    [0x17, 'x270102030405Z'],
    [0x18, '20270102030405.5Z'],
  ])('%i %s is refused', (tag, text) => {
    expect(() => readInstant(time(tag, text))).toThrow('no time')
  })

  it('is encoded in whole seconds, with two-digit years until 2049 and four-digit years after', () => {
    const written = (text: string) => {
      const { tag, content } = readElement(encodeTime(Date.parse(text)))
      return [tag, content.toString()]
    }
    expect(written('2027-01-02T03:04:05.678Z')).toEqual([0x17, '270102030405Z'])
    expect(written('2049-12-31T23:59:59Z')).toEqual([0x17, '491231235959Z'])
    expect(written('2050-01-01T00:00:00Z')).toEqual([0x18, '20500101000000Z'])
  })

  it('is read as it was encoded', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(2200, 0, 1) / 1000 }),
        (seconds) => readInstant(readElement(encodeTime(seconds * 1000))) === seconds * 1000,
      ),
    )
  })
})
