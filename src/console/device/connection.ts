import type { DeviceAgent } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { formatCertificateFingerprint } from '../../pki/fingerprint.ts'
import { connectionContract } from './connection-contract.ts'

function getRootFingerprint(agent: DeviceAgent): string | null {
  const anchor = agent.trust.anchor()
  return anchor === null ? null : formatCertificateFingerprint(anchor)
}

export const createConnectionProcedures = (agent: DeviceAgent) =>
  implement(connectionContract, {
    'transport-set': (settings) => agent.transport.set(settings),
    'transport-test': ({ settings }) => agent.transport.test(settings ? { settings } : {}),
    trust: () => ({ fingerprint: getRootFingerprint(agent) }),
    'trust-install': async ({ pem }) => {
      await agent.trust.install(pem)
      return { fingerprint: getRootFingerprint(agent) }
    },
    'tls-ca-install': async ({ pem }) => {
      await agent.trust.installTlsCa(pem)
      return agent.status().transport
    },
  })
