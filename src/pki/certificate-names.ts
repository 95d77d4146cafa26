import type { X509Certificate } from 'node:crypto'
import { readExtension, SUBJECT_ALTERNATIVE_NAME, URI_NAME } from './certificate-extensions.ts'
import { DerError, readElements, readSingleElement, SEQUENCE } from './der.ts'
import { type CertificateRole, CERTIFICATE_ROLES } from './roles.ts'

/** The role of a certificate and whom it names: what is believed of it once its chain is checked. */
export interface CertificateNames {
  readonly role: CertificateRole
  /** The smart account it is for. */
  readonly account: string
  /** The id of the authority it is of. */
  readonly authorityId: string
  /** The product instance it identifies; null in every role but `instance`. */
  readonly instanceId: string | null
}

const URN_PATTERN = /^urn:smart-licensing:(role|account|authority|instance):(.+)$/
type Kind = 'role' | 'account' | 'authority' | 'instance'

const formatUri = (kind: Kind, value: string): string =>
  `urn:smart-licensing:${kind}:${encodeURIComponent(value)}`

/** The URI of the product instance that an ID certificate identifies. */
export const formatInstanceUri = (instanceId: string): string => formatUri('instance', instanceId)

/** Formats the names as URI subject alternative names (RFC 8141): each library shows them to whoever asks. */
export const formatCertificateUris = ({
  role,
  account,
  authorityId,
  instanceId,
}: CertificateNames): string[] => [
  formatUri('role', role),
  formatUri('account', account),
  formatUri('authority', authorityId),
  ...(instanceId === null ? [] : [formatInstanceUri(instanceId)]),
]

/** Returns a value as it was before it was percent-encoded; null where that is not its one spelling. */
function decode(text: string): string | null {
  try {
    const value = decodeURIComponent(text)
    return encodeURIComponent(value) === text ? value : null
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

/**
 * Reads the names of their URIs; null unless there is exactly one role, one account and one authority, an instance
 * in the role `instance` alone, each in its one spelling, and no other URI. So nobody who reads another one of
 * several URIs reads something else.
 */
export function parseCertificateUris(uris: readonly string[]): CertificateNames | null {
  const values = new Map<string, string>()
  for (const text of uris) {
    const [, kind, encoded] = URN_PATTERN.exec(text) ?? []
    const value = encoded === undefined ? null : decode(encoded)
    if (kind === undefined || value === null || values.has(kind)) return null
    values.set(kind, value)
  }
  const role = CERTIFICATE_ROLES.find((one) => one === values.get('role'))
  const account = values.get('account')
  const authorityId = values.get('authority')
  const instanceId = values.get('instance') ?? null
  if (role === undefined || account === undefined || authorityId === undefined) return null
  if ((role === 'instance') !== (instanceId !== null)) return null
  return { role, account, authorityId, instanceId }
}

/** Certificates come again with every message; each is read once. */
const namesCache = new WeakMap<X509Certificate, CertificateNames | null>()

/** Reads the names of a certificate; null for one that is not of an authority, or whose names are not well formed. */
export function readCertificateNames(certificate: X509Certificate): CertificateNames | null {
  const before = namesCache.get(certificate)
  if (before !== undefined) return before
  const names = parseNames(certificate)
  namesCache.set(certificate, names)
  return names
}

/**
 * Returns the authority of a server, by the names of its certificate or of the CA above it, once TLS has verified both;
 * null where these are of no authority, as a gateway's of its own.
 */
export function readServerAuthority(leaf: X509Certificate): string | null {
  // A satellite's server has no names but those of its hosts.
  const { issuerCertificate: ca } = leaf
  return (readCertificateNames(leaf) ?? (ca ? readCertificateNames(ca) : null))?.authorityId ?? null
}

function parseNames(certificate: X509Certificate): CertificateNames | null {
  try {
    const value = readExtension(certificate, SUBJECT_ALTERNATIVE_NAME)
    if (value === null) return null
    const uris = readElements(readSingleElement(value, SEQUENCE)).filter(({ tag }) => tag === URI_NAME)
    return parseCertificateUris(uris.map(({ content }) => content.toString('latin1')))
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}
