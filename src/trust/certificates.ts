import { createPrivateKey, createPublicKey, KeyObject, webcrypto } from 'node:crypto'
import type * as X509 from '@peculiar/x509'
import type { Instant } from '../domain/instant.ts'
import { ROLE_OID, type Role } from './roles.ts'
import { serialNumber } from './serial-number.ts'

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
const requestBy = (
  { Pkcs10CertificateRequestGenerator }: typeof X509,
  params: Params<typeof X509.Pkcs10CertificateRequestGenerator.create>,
) => Pkcs10CertificateRequestGenerator.create(params, webcrypto)
const selfSignedBy = (
  { X509CertificateGenerator }: typeof X509,
  params: Params<typeof X509.X509CertificateGenerator.createSelfSigned>,
) => X509CertificateGenerator.createSelfSigned(params, webcrypto)
const signedBy = (
  { X509CertificateGenerator }: typeof X509,
  params: Params<typeof X509.X509CertificateGenerator.create>,
) => X509CertificateGenerator.create(params, webcrypto)

/** A new private key as PKCS #8 PEM. Keep it in a file of mode 0600. */
export async function generateKey(): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const object = KeyObject.from(keys.privateKey)
  return object.export({ type: 'pkcs8', format: 'pem' }).toString()
}

async function keyPair(privatePem: string): Promise<webcrypto.CryptoKeyPair> {
  const object = createPrivateKey(privatePem)
  const [privateKey, publicKey] = await Promise.all([
    webcrypto.subtle.importKey('pkcs8', object.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, false, [
      'sign',
    ]),
    importPublic(createPublicKey(object)),
  ])
  return { privateKey, publicKey }
}

const importPublic = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('spki', key.export({ type: 'spki', format: 'der' }), ALGORITHM, true, ['verify'])

/** A PKCS #10 request for the key: PEM. Its subject says which box asks, and binds nothing. */
export async function createRequest(privatePem: string, name: string): Promise<string> {
  const x509 = await loadX509()
  const request = await requestBy(x509, {
    name: [{ CN: [name] }],
    keys: await keyPair(privatePem),
    signingAlgorithm: ALGORITHM,
  })
  return request.toString('pem')
}

/** Whom and what a certificate is for. */
export interface Subject {
  readonly role: Role
  readonly name: string
  readonly account: string
  readonly authorityId: string
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** Names and addresses a TLS certificate is for. */
  readonly hosts?: readonly string[]
}

/** A certificate chain, leaf first, as PEM, and the private key of its leaf, read once for all that it signs. */
export interface Credential {
  readonly certificates: readonly string[]
  readonly privateKey: KeyObject
}

/** A credential as a TLS server takes it: PEM. Not for printing. */
export const tlsOptions = ({ certificates, privateKey }: Credential): { cert: string; key: string } => ({
  cert: certificates.join('\n'),
  key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
})

/** A CA: its certificate and its private key, both PEM. */
export interface Issuer {
  readonly certificate: string
  readonly privateKey: string
}

const IPV4 = /^\d+\.\d+\.\d+\.\d+$/

function extensions(x509: typeof X509, subject: Subject): X509.Extension[] {
  const { role } = subject
  const ca = role === 'root' || role === 'sub-ca'
  // A sub-CA also names TLS, which its TLS certificates could not be used for otherwise (RFC 5280 §4.2.1.12).
  const usages = role === 'sub-ca' ? [ROLE_OID['sub-ca'], ROLE_OID.tls] : [ROLE_OID[role]]
  const list: X509.Extension[] = [
    new x509.BasicConstraintsExtension(ca, role === 'root' ? 1 : role === 'sub-ca' ? 0 : undefined, true),
    new x509.KeyUsagesExtension(
      ca ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature,
      true,
    ),
    new x509.ExtendedKeyUsageExtension(
      role === 'root' ? [...usages, ROLE_OID['sub-ca'], ROLE_OID.tls] : usages,
      true,
    ),
  ]
  if (subject.hosts && subject.hosts.length > 0) {
    list.push(
      new x509.SubjectAlternativeNameExtension(
        subject.hosts.map((host) => ({
          type: IPV4.test(host) || host.includes(':') ? ('ip' as const) : ('dns' as const),
          value: host,
        })),
      ),
    )
  }
  return list
}

const dates = (subject: Subject) => ({
  notBefore: new Date(subject.notBefore),
  notAfter: new Date(subject.notAfter),
})

const nameOf = (subject: Pick<Subject, 'name' | 'account' | 'authorityId'>): X509.JsonName => [
  { CN: [subject.name] },
  { O: [subject.account] },
  { OU: [subject.authorityId] },
]

/** A TLS certificate that vouches for itself, for a page that people open: PEM, with its key. */
export async function createSelfSigned(subject: Omit<Subject, 'role'>): Promise<Credential> {
  const privateKey = await generateKey()
  const leaf = { ...subject, role: 'tls' as const }
  const x509 = await loadX509()
  const certificate = await selfSignedBy(x509, {
    serialNumber: serialNumber().toString('hex'),
    name: [{ CN: [subject.name] }],
    ...dates(leaf),
    keys: await keyPair(privateKey),
    signingAlgorithm: ALGORITHM,
    extensions: extensions(x509, leaf),
  })
  return { certificates: [certificate.toString('pem')], privateKey: createPrivateKey(privateKey) }
}

/** The root of an authority: signs sub-CAs, and nothing else. */
export async function createRoot(subject: Omit<Subject, 'role'>): Promise<Issuer> {
  const privateKey = await generateKey()
  const root = { ...subject, role: 'root' as const }
  const x509 = await loadX509()
  const certificate = await selfSignedBy(x509, {
    serialNumber: serialNumber().toString('hex'),
    name: nameOf(root),
    ...dates(root),
    keys: await keyPair(privateKey),
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...extensions(x509, root),
      await x509.SubjectKeyIdentifierExtension.create(
        (await keyPair(privateKey)).publicKey,
        false,
        webcrypto,
      ),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey }
}

/** A certificate for a public key, signed by the issuer: PEM. */
export async function issueCertificate(
  issuer: Issuer,
  publicKey: KeyObject,
  subject: Subject,
): Promise<string> {
  const x509 = await loadX509()
  const ca = new x509.X509Certificate(issuer.certificate)
  const signing = await keyPair(issuer.privateKey)
  const key = await importPublic(publicKey)
  const certificate = await signedBy(x509, {
    serialNumber: serialNumber().toString('hex'),
    subject: new x509.Name(nameOf(subject)).toString(),
    issuer: ca.subject,
    ...dates(subject),
    publicKey: key,
    signingKey: signing.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...extensions(x509, subject),
      await x509.SubjectKeyIdentifierExtension.create(key, false, webcrypto),
      await x509.AuthorityKeyIdentifierExtension.create(ca, false, webcrypto),
    ],
  })
  return certificate.toString('pem')
}
