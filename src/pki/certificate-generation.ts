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

/** Loads the certificate library on demand, because loading takes longer than most commands run. */
async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/*
 * Each call passes `webcrypto` explicitly. Otherwise the library uses the argument of the last
 * `cryptoProvider.set`, which any code of the process may have called.
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

/** Generates a private key as PKCS #8 PEM, to be stored in a file of mode 0600. */
export async function generateKey(): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const privateKey = KeyObject.from(keys.privateKey)
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function importKeyPair(privatePem: string): Promise<webcrypto.CryptoKeyPair> {
  const key = createPrivateKey(privatePem)
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, [
      'sign',
    ]),
    importPublicKey(createPublicKey(key)),
  ])
  return { privateKey, publicKey }
}

const importPublicKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', key.export({ type: 'spki', format: 'der' }), ALGORITHM, true, ['verify'])

/** Creates a PKCS #10 certificate request in PEM. The authority does not trust the name in its subject. */
export async function createCsr(privatePem: string, name: string): Promise<string> {
  const x509 = await loadX509()
  const request = await generateCsr(x509, {
    name: [{ CN: [name] }],
    keys: await importKeyPair(privatePem),
    signingAlgorithm: ALGORITHM,
  })
  return request.toString('pem')
}

/** Subject and validity of a certificate. The subject is for display and grants nothing. */
interface CertificateDetails {
  /** Name in the subject; for an ID certificate, the id of the product instance. */
  readonly name: string
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Host names and addresses of a TLS certificate, in canonical form. */
  readonly hosts?: readonly string[]
}

/** Subject of an authority's certificate, with its role and names. */
export interface Subject extends CertificateDetails {
  readonly role: CertificateRole
  readonly account: string
  readonly authorityId: string
  /** Constraints on TLS certificates under a satellite's CA; a manager's CA has none. */
  readonly nameConstraints?: NameConstraints
}

/** Certificate chain in PEM, leaf first, and the private key of the leaf. */
export interface Credential {
  readonly certificates: readonly string[]
  readonly privateKey: KeyObject
}

/** Converts a credential to the options of a TLS server. The result contains the private key: never log it. */
export const toTlsOptions = ({ certificates, privateKey }: Credential): { cert: string; key: string } => ({
  cert: certificates.join('\n'),
  key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
})

/** Certificate and private key of a CA, both in PEM. */
export interface Issuer {
  readonly certificate: string
  readonly privateKey: string
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const NAME_CONSTRAINTS = '2.5.29.30'
/** Limit of a distinguished name's attribute, in characters (RFC 5280 appendix A, ub-common-name and others). */
const MAX_NAME_LENGTH = 64

interface CertificateUsage {
  /** Path length constraint of a CA; null for a certificate that is not a CA. */
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

/** Usage of a TLS certificate that has no role of an authority. */
const BARE_TLS: CertificateUsage = { ca: null, tls: true, uris: [] }

/**
 * Creates the extensions of a certificate. Only TLS certificates have an extended key usage. The URIs of all other
 * certificates state their purpose, because every library can read URIs.
 */
function createExtensions(
  x509: typeof X509,
  { ca, tls, uris, nameConstraints }: CertificateUsage,
  hosts: readonly string[] = [],
): X509.Extension[] {
  const extensions: X509.Extension[] = [
    new x509.BasicConstraintsExtension(ca !== null, ca ?? undefined, true),
    new x509.KeyUsagesExtension(
      ca === null ? x509.KeyUsageFlags.digitalSignature : x509.KeyUsageFlags.keyCertSign,
      true,
    ),
  ]
  if (tls) extensions.push(new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]))
  if (nameConstraints)
    extensions.push(new x509.Extension(NAME_CONSTRAINTS, true, encodeNameConstraints(nameConstraints)))
  if (uris.length + hosts.length > 0)
    extensions.push(
      new x509.Extension(
        SUBJECT_ALTERNATIVE_NAME,
        false,
        encodeElement(SEQUENCE, ...hosts.map(encodeHostName), ...uris.map(encodeUriName)),
      ),
    )
  return extensions
}

const toValidityDates = (subject: CertificateDetails) => ({
  notBefore: new Date(subject.notBefore),
  notAfter: new Date(subject.notAfter),
})

const truncateName = (text: string): string => Array.from(text).slice(0, MAX_NAME_LENGTH).join('')

/** Formats the subject of an ID certificate. */
export const formatInstanceName = (instanceId: string): string =>
  truncateName(`Product instance ${instanceId}`)

/**
 * Creates the subject, which is for display only. Only CAs and TLS certificates have a CN. OpenSSL and GnuTLS treat the
 * CN of a certificate without host names as a host name, which would violate the name constraints of a satellite's CA.
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

/** Creates a self-signed TLS certificate for a console. */
export async function createSelfSigned(subject: CertificateDetails): Promise<Credential> {
  const { certificate, privateKey } = await issueSelfSigned(
    subject,
    [{ CN: [truncateName(subject.name)] }],
    BARE_TLS,
  )
  return { certificates: [certificate], privateKey: createPrivateKey(privateKey) }
}

/** Creates a CA for TLS certificates only, which is not the root of an authority. */
export const createTlsCa = (subject: CertificateDetails): Promise<Issuer> =>
  issueSelfSigned(subject, [{ CN: [truncateName(subject.name)] }], { ca: 0, tls: false, uris: [] })

/** Issues a TLS certificate by a CA of `createTlsCa`: PEM. */
export const issueTlsCertificate = (
  ca: Issuer,
  publicKey: KeyObject,
  subject: CertificateDetails,
): Promise<string> => issue(ca, publicKey, subject, [{ CN: [truncateName(subject.name)] }], BARE_TLS)

/** Creates the root of an authority, which signs only issuing CAs. */
export function createRoot(subject: Omit<Subject, 'role'>): Promise<Issuer> {
  const root = { ...subject, role: 'root' as const }
  return issueSelfSigned(root, toSubjectName(root), toCertificateUsage(root))
}

/**
 * Issues a certificate for a public key: PEM. A TLS certificate by a CA with name constraints has no URIs, because Go
 * 1.26 and later rejects any URI without a host below such a CA. The authority is then read from the CA certificate.
 */
export function issueCertificate(issuer: Issuer, publicKey: KeyObject, subject: Subject): Promise<string> {
  const isBareTls =
    subject.role === 'tls' && readNameConstraints(new X509Certificate(issuer.certificate)) !== null
  return issue(
    issuer,
    publicKey,
    subject,
    toSubjectName(subject),
    isBareTls ? BARE_TLS : toCertificateUsage(subject),
  )
}

async function issueSelfSigned(
  subject: CertificateDetails,
  name: X509.JsonName,
  usage: CertificateUsage,
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
      ...createExtensions(x509, usage, subject.hosts),
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
  usage: CertificateUsage,
): Promise<string> {
  const x509 = await loadX509()
  const ca = new x509.X509Certificate(issuer.certificate)
  const issuerKeys = await importKeyPair(issuer.privateKey)
  const key = await importPublicKey(publicKey)
  const certificate = await generateSigned(x509, {
    serialNumber: generateSerialNumber().toString('hex'),
    subject: new x509.Name(name).toString(),
    issuer: ca.subject,
    ...toValidityDates(subject),
    publicKey: key,
    signingKey: issuerKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...createExtensions(x509, usage, subject.hosts),
      await x509.SubjectKeyIdentifierExtension.create(key, false, webcrypto),
      await x509.AuthorityKeyIdentifierExtension.create(ca, false, webcrypto),
    ],
  })
  return certificate.toString('pem')
}
