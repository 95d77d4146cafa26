import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { DAY } from '../core/time.ts'
import type { SignedMessage } from '../protocol/messages.ts'
import { createRoot, type Credential, generateKey, issueCertificate } from '../pki/certificate-generation.ts'
import { decodePayloadUnverified, signMessage } from '../pki/signed-message.ts'
import type { Reply } from './faults.ts'

/** Signs an answer again as an untrusted authority. */
export async function resignUntrusted({ status, body }: Reply, by: Credential): Promise<Reply> {
  const payload = decodePayloadUnverified(JSON.parse(body) as SignedMessage) as object
  const forged = await signMessage(payload, { type: 'sla-answer+jws', ...by })
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(forged) }
}

/** Creates a credential that is valid except for its root, which no one trusts. */
export async function createUntrustedCredential(
  role: 'answer-signer' | 'tls',
  at: number,
  facts: { notBefore?: number; notAfter?: number; hosts?: readonly string[] } = {},
): Promise<Credential> {
  const subject = {
    account: 'untrusted.example',
    authorityId: randomUUID(),
    notBefore: at - DAY,
    notAfter: at + 90 * DAY,
  }
  const toPublicKey = (key: string) => createPublicKey(createPrivateKey(key))
  const root = await createRoot({ ...subject, name: 'Smart Licensing Untrusted Root' })
  const [caKey, pem] = [await generateKey(), await generateKey()]
  const privateKey = createPrivateKey(pem)
  const name = 'Smart Licensing Untrusted Issuing CA'
  const ca = await issueCertificate(root, toPublicKey(caKey), { ...subject, role: 'sub-ca', name })
  const leaf = await issueCertificate({ certificate: ca, privateKey: caKey }, createPublicKey(privateKey), {
    ...subject,
    ...facts,
    role,
    name: 'Untrusted',
  })
  return { certificates: [leaf, ca], privateKey }
}
