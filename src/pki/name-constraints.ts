import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { isLoopbackName, parseHostName } from '../core/host-name.ts'
import {
  toAddressBytes,
  DNS_NAME,
  encodeHostName,
  IP_ADDRESS,
  NAME_CONSTRAINTS,
  readExtension,
} from './certificate-extensions.ts'
import { DerError, type Element, encodeElement, readElements, readSingleElement, SEQUENCE } from './der.ts'

const PERMITTED = 0xa0
const EXCLUDED = 0xa1

/**
 * Host names and addresses that TLS certificates under a CA may have (RFC 5280 §4.2.1.10). A host name includes every
 * name below it. An address includes only itself.
 */
export interface NameConstraints {
  /** In canonical form (`parseHostName`). `localhost` and loopback addresses are always permitted too. */
  readonly permitted: readonly string[]
  readonly excluded: readonly string[]
}

/** Tells whether a host name equals another or is below it. Addresses must be equal. */
export const isWithin = (name: string, subtree: string): boolean =>
  name === subtree || (isIP(name) === 0 && isIP(subtree) === 0 && name.endsWith(`.${subtree}`))

/** Tells whether the constraints permit a name or address. */
export const isPermitted = (name: string, { permitted, excluded }: NameConstraints): boolean =>
  isLoopbackName(name) ||
  (permitted.some((subtree) => isWithin(name, subtree)) &&
    !excluded.some((subtree) => isWithin(name, subtree)))

function encodeSubtree(name: string): Buffer {
  if (isIP(name) === 0) return encodeElement(SEQUENCE, encodeHostName(name))
  const bytes = toAddressBytes(name)
  return encodeElement(SEQUENCE, encodeElement(IP_ADDRESS, bytes, Buffer.alloc(bytes.length, 0xff)))
}

/** `localhost`, 127.0.0.0/8 and ::1/128. Because addresses are listed, all addresses not listed are forbidden. */
const LOOPBACK_SUBTREES: readonly Buffer[] = [
  encodeSubtree('localhost'),
  encodeElement(SEQUENCE, encodeElement(IP_ADDRESS, Buffer.of(127, 0, 0, 0, 255, 0, 0, 0))),
  encodeSubtree('::1'),
]

/** Encodes the value of the extension as DER. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Buffer {
  return encodeElement(
    SEQUENCE,
    encodeElement(PERMITTED, ...LOOPBACK_SUBTREES, ...permitted.map(encodeSubtree)),
    ...(excluded.length > 0 ? [encodeElement(EXCLUDED, ...excluded.map(encodeSubtree))] : []),
  )
}

/** Reads the constraints of a CA of this project; null if there are none or they have another form. */
export function readNameConstraints(certificate: X509Certificate): NameConstraints | null {
  try {
    const value = readExtension(certificate, NAME_CONSTRAINTS)
    if (value === null) return null
    const lists = readElements(readSingleElement(value, SEQUENCE))
    const readNames = (tag: number) =>
      lists
        .filter((list) => list.tag === tag)
        .flatMap(readElements)
        .map(readSubtree)
    return {
      permitted: readNames(PERMITTED).filter((name) => !isLoopbackName(name)),
      excluded: readNames(EXCLUDED),
    }
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

/** @throws DerError for a subtree in another form than this project writes */
function readSubtree(subtree: Element): string {
  const [base, ...bounds] = readElements(subtree)
  if (base && bounds.length === 0) {
    const { tag, content } = base
    const name =
      tag === DNS_NAME ? content.toString('latin1') : tag === IP_ADDRESS ? readAddress(content) : ''
    if (parseHostName(name) === name) return name
  }
  throw new DerError('an unknown form of name constraint')
}

function readAddress(content: Buffer): string {
  const address = content.subarray(0, content.length / 2)
  if (address.length === 4) return address.join('.')
  const groups = Array.from({ length: address.length / 2 }, (_, i) =>
    address.readUInt16BE(2 * i).toString(16),
  )
  return parseHostName(groups.join(':')) ?? ''
}
