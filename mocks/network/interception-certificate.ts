import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import { DAY } from '../../src/core/time.ts'
import type { Credential } from '../../src/pki/certificate-generation.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/**
 * Creates the credential of a middlebox: a certificate by another company's CA, for localhost unless `hosts` are given.
 */
export async function createInterceptionCredential(
  now: number,
  options: { company?: x509.JsonName; hosts?: readonly string[] } = {},
): Promise<Credential> {
  const {
    company = [{ CN: ['Firewall CA'] }, { O: ['Example Security'] }],
    hosts = ['localhost', '127.0.0.1'],
  } = options
  x509.cryptoProvider.set(webcrypto as never)
  const dates = { notBefore: new Date(now - DAY), notAfter: new Date(now + DAY) }
  const keys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const [caKeys, leafKeys] = [await keys(), await keys()]
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: company,
    ...dates,
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${hosts[0] ?? ''}`,
    issuer: ca.subject,
    ...dates,
    publicKey: leafKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host })),
      ),
    ],
  })
  const privateKey = KeyObject.from(leafKeys.privateKey)
  return { certificates: [leaf.toString('pem'), ca.toString('pem')], privateKey }
}
