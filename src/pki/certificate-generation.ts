import { createPrivateKey, createPublicKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto'
import type * as X509 from '@peculiar/x509'
import type { Instant } from '../core/time.ts'
import { encodeHostName, encodeUriName } from './certificate-extensions.ts'
import { formatCertificateUris } from './certificate-names.ts'
import { encodeElement, SEQUENCE } from './der.ts'
import { encodeNameConstraints, type NameConstraints, readNameConstraints } from './name-constraints.ts'
import type { CertificateRole } from './roles.ts'
import { generateSerialNumber } from './serial-number.ts'

/** ECDSA P-256 with SHA-256 (ES256): the only algorithm of this project. */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** What makes certificates takes longer to load than most commands need altogether. */
async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/*
 * Each call of the library names `webcrypto`: otherwise it takes what `cryptoProvider.set` was given last, by any code of
 * the process.
 */
type Params<F extends (...args: never[]) => unknown> = Parameters<F>[0]
const generateCsr = (
  { Pkcs10CertificateRequestGenerator }: typeof X509,
  params: Params<typeof X509.Pkcs10CertificateRequestGenerator.create>,
) => Pkcs10CertificateRequestGenerator.create(params, webcrypto)
const generateSelfSigned = (
  { X509CertificateGenerator }: typeof X509,
  params: Params<typeof X509.X509CertificateGenerator.createSelfSigned>,
) => X509CertificateGenerator.createSelfSigned(params, webcrypto)
const generateSigned = (
  { X509CertificateGenerator }: typeof X509,
  params: Params<typeof X509.X509CertificateGenerator.create>,
) => X509CertificateGenerator.create(params, webcrypto)

/** A new private key as PKCS #8 PEM. Keep it in a file of mode 0600. */
export async function generateKey(): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const object = KeyObject.from(keys.privateKey)
  return object.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function importKeyPair(privatePem: string): Promise<webcrypto.CryptoKeyPair> {
  const object = createPrivateKey(privatePem)
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('pkcs8', object.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, [
      'sign',
    ]),
    importPublicKey(createPublicKey(object)),
  ])
  return { privateKey, publicKey }
}

const importPublicKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', key.export({ type: 'spki', format: 'der' }), ALGORITHM, true, ['verify'])

/** A PKCS #10 request for the key: PEM. Its subject says which box asks, and binds nothing. */
export async function createCsr(privatePem: string, name: string): Promise<string> {
  const x509 = await loadX509()
  const request = await generateCsr(x509, {
    name: [{ CN: [name] }],
    keys: await importKeyPair(privatePem),
    signingAlgorithm: ALGORITHM,
  })
  return request.toString('pem')
}

/** Who a certificate is for, as people read it, and when. Its subject permits nothing. */
interface CertificateDetails {
  /** What it is called in its subject; of an ID certificate the id of its product instance. */
  readonly name: string
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Names and addresses a TLS certificate is for, in their one spelling. */
  readonly hosts?: readonly string[]
}

/** Whom and what a certificate of an authority is for. */
export interface Subject extends CertificateDetails {
  readonly role: CertificateRole
  readonly account: string
  readonly authorityId: string
  /** The names that TLS certificates under a satellite's CA may be for; a manager's CA has none. */
  readonly nameConstraints?: NameConstraints
}

/** A certificate chain, leaf first, as PEM, and the private key of its leaf, read once for all that it signs. */
export interface Credential {
  readonly certificates: readonly string[]
  readonly privateKey: KeyObject
}

/** A credential as a TLS server takes it: PEM. Not for printing. */
export const toTlsOptions = ({ certificates, privateKey }: Credential): { cert: string; key: string } => ({
  cert: certificates.join('\n'),
  key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
})

/** A CA: its certificate and its private key, both PEM. */
export interface Issuer {
  readonly certificate: string
  readonly privateKey: string
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const NAME_CONSTRAINTS = '2.5.29.30'
/** Characters that a part of a distinguished name has at most (RFC 5280 appendix A, ub-common-name and its like). */
const MAX_NAME_LENGTH = 64

/** `ca`: how many further CAs may stand below it; null for a certificate that is no CA. */
interface CertificateUsage {
  readonly ca: number | null
  readonly tls: boolean
  readonly uris: readonly string[]
  readonly nameConstraints?: NameConstraints | undefined
}

const toCertificateUsage = ({
  role,
  name,
  account,
  authorityId,
  nameConstraints,
}: Subject): CertificateUsage => ({
  ca: role === 'root' ? 1 : role === 'sub-ca' ? 0 : null,
  tls: role === 'tls',
  uris: formatCertificateUris({ role, account, authorityId, instanceId: role === 'instance' ? name : null }),
  nameConstraints,
})

/** A TLS certificate that no authority stands behind: it has no role. */
const BARE_TLS: CertificateUsage = { ca: null, tls: true, uris: [] }

/**
 * A CA has no extended key usage, and no other than a TLS certificate has one: what a certificate is for, its URIs say,
 * which every library reads.
 */
function createExtensions(
  x509: typeof X509,
  { ca, tls, uris, nameConstraints }: CertificateUsage,
  hosts: readonly string[] = [],
): X509.Extension[] {
  const list: X509.Extension[] = [
    new x509.BasicConstraintsExtension(ca !== null, ca ?? undefined, true),
    new x509.KeyUsagesExtension(
      ca === null ? x509.KeyUsageFlags.digitalSignature : x509.KeyUsageFlags.keyCertSign,
      true,
    ),
  ]
  if (tls) list.push(new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]))
  if (nameConstraints)
    list.push(new x509.Extension(NAME_CONSTRAINTS, true, encodeNameConstraints(nameConstraints)))
  if (uris.length + hosts.length > 0)
    list.push(
      new x509.Extension(
        SUBJECT_ALTERNATIVE_NAME,
        false,
        encodeElement(SEQUENCE, ...hosts.map(encodeHostName), ...uris.map(encodeUriName)),
      ),
    )
  return list
}

const toValidityDates = (subject: CertificateDetails) => ({
  notBefore: new Date(subject.notBefore),
  notAfter: new Date(subject.notAfter),
})

const truncateName = (text: string): string => Array.from(text).slice(0, MAX_NAME_LENGTH).join('')

/** What people call an ID certificate. */
export const formatInstanceName = (instanceId: string): string =>
  truncateName(`Product instance ${instanceId}`)

/**
 * The subject, for people. Only CAs and TLS certificates have a CN: OpenSSL and GnuTLS take that of any certificate without
 * a host name for the name of a host, and find it outside the name constraints of a satellite's CA.
 */
function toSubjectName({ role, name, account, authorityId }: Subject): X509.JsonName {
  const organization = account === '' ? [] : [{ O: [truncateName(account)] }]
  if (role === 'root' || role === 'sub-ca')
    return [
      { CN: [truncateName(name)] },
      ...organization,
      ...(authorityId === '' ? [] : [{ OU: [truncateName(authorityId)] }]),
    ]
  if (role === 'tls') return [{ CN: [truncateName(name)] }, ...organization]
  return [{ OU: [role === 'instance' ? formatInstanceName(name) : truncateName(name)] }, ...organization]
}

/** A TLS certificate that vouches for itself, for a page that people open: PEM, with its key. */
export async function createSelfSigned(subject: CertificateDetails): Promise<Credential> {
  const { certificate, privateKey } = await issueSelfSigned(
    subject,
    [{ CN: [truncateName(subject.name)] }],
    BARE_TLS,
  )
  return { certificates: [certificate], privateKey: createPrivateKey(privateKey) }
}

/** A CA for TLS alone, which is the root of no authority. */
export const createTlsCa = (subject: CertificateDetails): Promise<Issuer> =>
  issueSelfSigned(subject, [{ CN: [truncateName(subject.name)] }], { ca: 0, tls: false, uris: [] })

/** A TLS certificate by a CA for TLS alone: PEM. */
export const issueTlsCertificate = (
  ca: Issuer,
  publicKey: KeyObject,
  subject: CertificateDetails,
): Promise<string> => issue(ca, publicKey, subject, [{ CN: [truncateName(subject.name)] }], BARE_TLS)

/** The root of an authority: signs sub-CAs, and nothing else. */
export function createRoot(subject: Omit<Subject, 'role'>): Promise<Issuer> {
  const root = { ...subject, role: 'root' as const }
  return issueSelfSigned(root, toSubjectName(root), toCertificateUsage(root))
}

/**
 * A certificate for a public key, signed by the issuer: PEM. A TLS certificate by a CA with name constraints has no URIs:
 * since version 1.26, Go refuses any URI without a host below such a CA. Its authority is that of its CA.
 */
export function issueCertificate(issuer: Issuer, publicKey: KeyObject, subject: Subject): Promise<string> {
  const bare = subject.role === 'tls' && readNameConstraints(new X509Certificate(issuer.certificate)) !== null
  return issue(
    issuer,
    publicKey,
    subject,
    toSubjectName(subject),
    bare ? BARE_TLS : toCertificateUsage(subject),
  )
}

async function issueSelfSigned(
  subject: CertificateDetails,
  name: X509.JsonName,
  use: CertificateUsage,
): Promise<Issuer> {
  const privateKey = await generateKey()
  const keys = await importKeyPair(privateKey)
  const x509 = await loadX509()
  const certificate = await generateSelfSigned(x509, {
    serialNumber: generateSerialNumber().toString('hex'),
    name,
    ...toValidityDates(subject),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...createExtensions(x509, use, subject.hosts),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey }
}

async function issue(
  issuer: Issuer,
  publicKey: KeyObject,
  subject: CertificateDetails,
  name: X509.JsonName,
  use: CertificateUsage,
): Promise<string> {
  const x509 = await loadX509()
  const ca = new x509.X509Certificate(issuer.certificate)
  const signing = await importKeyPair(issuer.privateKey)
  const key = await importPublicKey(publicKey)
  const certificate = await generateSigned(x509, {
    serialNumber: generateSerialNumber().toString('hex'),
    subject: new x509.Name(name).toString(),
    issuer: ca.subject,
    ...toValidityDates(subject),
    publicKey: key,
    signingKey: signing.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...createExtensions(x509, use, subject.hosts),
      await x509.SubjectKeyIdentifierExtension.create(key, false, webcrypto),
      await x509.AuthorityKeyIdentifierExtension.create(ca, false, webcrypto),
    ],
  })
  return certificate.toString('pem')
}
