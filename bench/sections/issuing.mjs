// Measures issuing device certificates. The baselines are one bare signature and the certificate library.
import { generateKeyPairSync, sign } from 'node:crypto'
import { createRoot, issueCertificate } from '../../dist/src/pki/certificate-generation.js'
import { InstanceCertificateIssuer } from '../../dist/src/pki/instance-certificate-issuer.js'
import { importP256Key } from '../../dist/src/pki/p256-key.js'
import { rate } from '../rate.mjs'
import { perSecond } from '../table.mjs'

export async function issuing(row) {
  const dates = { notBefore: Date.now(), notAfter: Date.now() + 365 * 86_400_000 }
  const facts = { account: 'bench.example', authorityId: 'bench' }
  const issuer = await createRoot({ name: 'bench', ...facts, ...dates })
  const template = await InstanceCertificateIssuer.create(issuer, facts)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = importP256Key(publicKey.export({ type: 'spki', format: 'der' }))
  const text = Buffer.alloc(400, 'x')
  const floor = rate(() => sign('sha256', text, privateKey))
  const ours = rate((i) => template.issue(key, { name: `device-${i}`, ...dates }))
  const start = performance.now()
  for (let i = 0; i < 300; i++)
    await issueCertificate(issuer, publicKey, { role: 'instance', name: `device-${i}`, ...facts, ...dates })
  const library = 300 / ((performance.now() - start) / 1000)
  row(
    'certificates from a template',
    perSecond(ours),
    `${perSecond(floor)} bare signatures`,
    ours / floor,
    '0.5 or more',
  )
  row(
    'certificates from a template, compared with the library',
    perSecond(ours),
    `${perSecond(library)} @peculiar/x509`,
    ours / library,
    '',
  )
}
