import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto'
import type { Instant } from '../core/time.ts'
import {
  EXTENSIONS,
  OCTET_STRING,
  readExtension,
  SUBJECT_ALTERNATIVE_NAME,
  SUBJECT_KEY_IDENTIFIER,
  encodeUriName,
} from './certificate-extensions.ts'
import { formatInstanceUri } from './certificate-names.ts'
import { formatInstanceName, type Issuer, issueCertificate } from './certificate-generation.ts'
import {
  BIT_STRING,
  encodeElement,
  readElements,
  INTEGER,
  readSingleElement,
  SEQUENCE,
  encodeTime,
} from './der.ts'
import type { P256Key } from './p256-key.ts'
import { generateSerialNumber } from './serial-number.ts'

const UTF8_STRING = 0x0c
const SET = 0x31

/** Fields in which the ID certificates of one smart account differ. */
export interface InstanceIdentity {
  /** Id of the product instance. */
  readonly name: string
  readonly notBefore: Instant
  readonly notAfter: Instant
}

/**
 * Issues the ID certificates of one smart account from a template. The certificate library encodes the common parts
 * once, so that each certificate costs little more than its signature.
 */
export class InstanceCertificateIssuer {
  readonly #key: KeyObject
  /** Elements of the certificate in their order (RFC 5280 §4.1). */
  readonly #version: Buffer
  readonly #algorithm: Buffer
  readonly #issuer: Buffer
  /** RDNs after the first, which names the instance. */
  readonly #namesAfter: Buffer
  /** Attribute type of the first RDN. */
  readonly #nameType: Buffer
  /** Encoded extensions, with markers for those that differ between certificates. */
  readonly #extensions: readonly (Buffer | 'subject-key' | 'names')[]
  /** Encoded URIs of role, account and authority. */
  readonly #names: Buffer

  private constructor(issuer: Issuer, template: X509Certificate) {
    this.#key = createPrivateKey(issuer.privateKey)
    const [tbs, algorithm] = readElements(readSingleElement(template.raw, SEQUENCE))
    const [version, , , name, , subject, , extensions] = tbs ? readElements(tbs) : []
    const [first, ...others] = subject ? readElements(subject) : []
    const [attribute] = first ? readElements(first) : []
    const [type] = attribute ? readElements(attribute) : []
    const [list] = extensions ? readElements(extensions) : []
    if (!version || !algorithm || !name || !type || !list)
      throw new TypeError('not a certificate of version 3')
    this.#version = version.whole
    this.#algorithm = algorithm.whole
    this.#issuer = name.whole
    this.#nameType = type.whole
    this.#namesAfter = Buffer.concat(others.map(({ whole }) => whole))
    const isExtension = (content: Buffer, id: Buffer) => content.subarray(0, id.length).equals(id)
    this.#extensions = readElements(list).map(({ content, whole }) => {
      if (isExtension(content, SUBJECT_KEY_IDENTIFIER)) return 'subject-key'
      return isExtension(content, SUBJECT_ALTERNATIVE_NAME) ? 'names' : whole
    })
    const names = readExtension(template, SUBJECT_ALTERNATIVE_NAME)
    // The last name is the instance's.
    this.#names = Buffer.concat(
      (names ? readElements(readSingleElement(names, SEQUENCE)) : []).slice(0, -1).map(({ whole }) => whole),
    )
  }

  /** @param facts smart account and authority of the certificates */
  static async create(
    issuer: Issuer,
    facts: { readonly account: string; readonly authorityId: string },
  ): Promise<InstanceCertificateIssuer> {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const dates = { notBefore: 0, notAfter: 1000 }
    const pem = await issueCertificate(issuer, publicKey, { role: 'instance', name: 'x', ...facts, ...dates })
    return new InstanceCertificateIssuer(issuer, new X509Certificate(pem))
  }

  /** Issues a certificate for a key: PEM, and its thumbprint. */
  issue(
    { spki }: Pick<P256Key, 'spki'>,
    { name, notBefore, notAfter }: InstanceIdentity,
  ): { pem: string; thumbprint: string } {
    const tbs = encodeElement(
      SEQUENCE,
      this.#version,
      encodeElement(INTEGER, generateSerialNumber()),
      this.#algorithm,
      this.#issuer,
      encodeElement(SEQUENCE, encodeTime(notBefore), encodeTime(notAfter)),
      encodeElement(
        SEQUENCE,
        encodeElement(
          SET,
          encodeElement(
            SEQUENCE,
            this.#nameType,
            encodeElement(UTF8_STRING, Buffer.from(formatInstanceName(name))),
          ),
        ),
        this.#namesAfter,
      ),
      spki,
      encodeElement(
        EXTENSIONS,
        encodeElement(
          SEQUENCE,
          ...this.#extensions.map((extension) => {
            if (extension === 'subject-key') return encodeSubjectKeyIdentifier(spki)
            return extension === 'names' ? encodeAlternativeNames(this.#names, name) : extension
          }),
        ),
      ),
    )
    const signature = sign('sha256', tbs, this.#key)
    const der = encodeElement(
      SEQUENCE,
      tbs,
      this.#algorithm,
      encodeElement(BIT_STRING, Buffer.of(0), signature),
    )
    return { pem: toPem(der), thumbprint: createHash('sha256').update(der).digest('base64url') }
  }
}

/** Encodes the subject key identifier: SHA-1 of the key (RFC 5280 §4.2.1.2, method 1), which is not a protection. */
function encodeSubjectKeyIdentifier(spki: Buffer): Buffer {
  const bits = readElements(readSingleElement(spki, SEQUENCE))[1]?.content.subarray(1) ?? Buffer.of()
  const digest = createHash('sha1').update(bits).digest()
  return encodeElement(
    SEQUENCE,
    SUBJECT_KEY_IDENTIFIER,
    encodeElement(OCTET_STRING, encodeElement(OCTET_STRING, digest)),
  )
}

const encodeAlternativeNames = (others: Buffer, instanceId: string): Buffer =>
  encodeElement(
    SEQUENCE,
    SUBJECT_ALTERNATIVE_NAME,
    encodeElement(
      OCTET_STRING,
      encodeElement(SEQUENCE, others, encodeUriName(formatInstanceUri(instanceId))),
    ),
  )

const toPem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`
