import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { DAY } from '../src/core/time.ts'
import type { Credential } from '../src/pki/certificate-generation.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Creates the credential of a middlebox: a certificate for the right host name by another company's CA. */
export async function createInterceptionCredential(
  now: number,
  company: x509.JsonName = [{ CN: ['Firewall CA'] }, { O: ['Example Security'] }],
): Promise<Credential> {
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
    subject: 'CN=localhost',
    issuer: ca.subject,
    ...dates,
    publicKey: leafKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  })
  const privateKey = KeyObject.from(leafKeys.privateKey)
  return { certificates: [leaf.toString('pem'), ca.toString('pem')], privateKey }
}
