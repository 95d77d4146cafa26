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

/** What differs between the identities of one smart account. */
export interface InstanceIdentity {
  /** The id of the product instance. */
  readonly name: string
  readonly notBefore: Instant
  readonly notAfter: Instant
}

/**
 * Issues the identities of one smart account's product instances, from a template: what is the same in all of them is
 * encoded once, by the certificate library, and each costs little more than its signature.
 */
export class InstanceCertificateIssuer {
  readonly #key: KeyObject
  /** Elements of the certificate, in their order (RFC 5280 §4.1). */
  readonly #version: Buffer
  readonly #algorithm: Buffer
  readonly #issuer: Buffer
  /** The RDNs behind the first, which names the instance; and the type of that. */
  readonly #namesAfter: Buffer
  readonly #nameType: Buffer
  /** The extensions around those that name the subject's key, and the instance. */
  readonly #extensions: readonly (Buffer | 'subject-key' | 'names')[]
  /** The names of role, account and authority, as they stand in the certificate. */
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
    // The last of them is that of the instance.
    this.#names = Buffer.concat(
      (names ? readElements(readSingleElement(names, SEQUENCE)) : []).slice(0, -1).map(({ whole }) => whole),
    )
  }

  /** @param facts.account the smart account, and the authority that issues */
  static async create(
    issuer: Issuer,
    facts: { readonly account: string; readonly authorityId: string },
  ): Promise<InstanceCertificateIssuer> {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const dates = { notBefore: 0, notAfter: 1000 }
    const pem = await issueCertificate(issuer, publicKey, { role: 'instance', name: 'x', ...facts, ...dates })
    return new InstanceCertificateIssuer(issuer, new X509Certificate(pem))
  }

  /** A certificate for a key: PEM, and its thumbprint. */
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
          ...this.#extensions.map((one) => {
            if (one === 'subject-key') return encodeSubjectKeyIdentifier(spki)
            return one === 'names' ? encodeAlternativeNames(this.#names, name) : one
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

/** SHA-1 over the bits of the key, by RFC 5280 §4.2.1.2 (1): a name, not a protection. */
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
