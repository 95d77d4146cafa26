/** Element of DER (X.690). `whole` includes the tag and the length. */
export interface Element {
  readonly tag: number
  readonly content: Buffer
  readonly whole: Buffer
}

export const SEQUENCE = 0x30
export const INTEGER = 0x02
export const BIT_STRING = 0x03
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const TIME_PATTERN = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/

/** Limit for lengths, which none of the parsed structures exceeds. */
const MAX_LENGTH_BYTES = 4

/** Error for bytes that are not DER or are truncated. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

/** Reads the element at an offset. @throws DerError */
export function readElement(bytes: Buffer, offset = 0): Element {
  const tag = bytes[offset]
  const first = bytes[offset + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new DerError('no element')
  let length = first
  let start = offset + 2
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count === 0 || count > MAX_LENGTH_BYTES || start + count > bytes.length)
      throw new DerError('no length')
    length = bytes.readUIntBE(start, count)
    start += count
    if (length < 0x80 || (count > 1 && length < 2 ** (8 * (count - 1))))
      throw new DerError('a length that is not the shortest')
  }
  const end = start + length
  if (end > bytes.length) throw new DerError('an element that ends too late')
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(offset, end) }
}

/** Reads bytes that consist of exactly one element. @throws DerError */
export function readSingleElement(bytes: Buffer, tag: number): Element {
  const element = readElement(bytes)
  if (element.tag !== tag || element.whole.length !== bytes.length) throw new DerError('another element')
  return element
}

/** Reads the elements inside an element. @throws DerError */
export function readElements({ content }: Element): Element[] {
  const elements: Element[] = []
  for (let offset = 0; offset < content.length;) {
    const element = readElement(content, offset)
    elements.push(element)
    offset += element.whole.length
  }
  return elements
}

export function encodeElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), ...parts])
  const count = length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3
  const head = Buffer.alloc(2 + count)
  head[0] = tag
  head[1] = 0x80 | count
  head.writeUIntBE(length, 2, count)
  return Buffer.concat([head, ...parts])
}

/** Reads the time of a certificate. @throws DerError */
export function readInstant({ tag, content }: Element): number {
  const [, year = '', ...others] = TIME_PATTERN.exec(content.toString('latin1')) ?? []
  if (year.length !== (tag === UTC_TIME ? 2 : 4) || (tag !== UTC_TIME && tag !== GENERALIZED_TIME))
    throw new DerError('no time')
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = others.map(Number)
  // Two-digit years are 1950 to 2049 (RFC 5280 §4.1.2.5.1).
  const century = year.length === 4 ? 0 : Number(year) < 50 ? 2000 : 1900
  return Date.UTC(century + Number(year), month - 1, day, hour, minute, second)
}

/** Encodes a time of a certificate (RFC 5280 §4.1.2.5): whole seconds, as UTCTime until 2049. */
export function encodeTime(at: number): Buffer {
  const digits = new Date(at)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return Number(digits.slice(0, 4)) < 2050
    ? encodeElement(UTC_TIME, Buffer.from(digits.slice(2)))
    : encodeElement(GENERALIZED_TIME, Buffer.from(digits))
}
