import type { X509Certificate } from 'node:crypto'
import { isIP, isIPv6 } from 'node:net'
import { DerError, encodeElement, readElements, readSingleElement, SEQUENCE } from './der.ts'

export const OCTET_STRING = 0x04
export const EXTENSIONS = 0xa3

/** OBJECT IDENTIFIERs of extensions (RFC 5280 §4.2.1), as DER. */
export const SUBJECT_KEY_IDENTIFIER = Buffer.from('0603551d0e', 'hex')
export const SUBJECT_ALTERNATIVE_NAME = Buffer.from('0603551d11', 'hex')
export const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex')

/** Tags of GeneralName choices (RFC 5280 §4.2.1.6): context-specific and primitive. */
export const DNS_NAME = 0x82
export const URI_NAME = 0x86
export const IP_ADDRESS = 0x87

/**
 * Reads the value of a certificate's extension; null if the certificate does not have the extension.
 *
 * @param id OBJECT IDENTIFIER of the extension, as DER
 * @throws DerError for a duplicate extension, or a certificate that is not DER
 */
export function readExtension(certificate: X509Certificate, id: Buffer): Buffer | null {
  const [tbs] = readElements(readSingleElement(certificate.raw, SEQUENCE))
  const found = (tbs ? readElements(tbs) : [])
    .filter(({ tag }) => tag === EXTENSIONS)
    .flatMap((wrapper) => readElements(wrapper))
    .flatMap((list) => readElements(list))
    .map((extension) => readElements(extension))
    .filter(([first]) => first?.whole.equals(id))
  if (found.length > 1) throw new DerError('a duplicate extension')
  const value = found[0]?.at(-1)
  if (value === undefined) return null
  if (value.tag !== OCTET_STRING) throw new DerError('an extension without a value')
  return value.content
}

/** Encodes a URI as a GeneralName. */
export const encodeUriName = (uri: string): Buffer => encodeElement(URI_NAME, Buffer.from(uri, 'latin1'))

/** Returns the bytes of an IP address: 4 or 16. */
export const toAddressBytes = (address: string): Buffer =>
  isIPv6(address) ? toIpv6Bytes(address) : Buffer.from(address.split('.').map(Number))

function toIpv6Bytes(address: string): Buffer {
  // The canonical form has no dotted part and at most one "::" (RFC 5952).
  const { hostname } = new URL(`https://[${address}]`)
  const [left = [], right = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')))
  const gap = Array<string>(8 - left.length - right.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...left, ...gap, ...right].entries())
    bytes.writeUInt16BE(parseInt(group, 16), 2 * i)
  return bytes
}

/** Encodes a host name or an IP address as a GeneralName. */
export const encodeHostName = (host: string): Buffer =>
  isIP(host) === 0
    ? encodeElement(DNS_NAME, Buffer.from(host, 'latin1'))
    : encodeElement(IP_ADDRESS, toAddressBytes(host))
