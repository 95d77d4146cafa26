import type { DeviceAgent, DeviceStatus } from './device-agent.ts'
import { VERSION } from '../../core/version.ts'
import { agentChartLayout } from '../../diagrams/agent-chart.ts'
import { type Caller, implement } from '../../http/procedures.ts'
import { formatCertificateFingerprint } from '../../pki/fingerprint.ts'
import { toExchangeDocument, toStateChangesDocument, toTransitionDocument } from './inspection.ts'
import { statusContract } from './status-contract.ts'

/** Hides reservation codes from callers other than administrators. */
export function redactStatus(status: DeviceStatus, { role }: Pick<Caller, 'role'>): DeviceStatus {
  if (role === 'administrator') return status
  const codes = { requestCode: null, confirmationCode: null, returnCode: null, returned: [] }
  return { ...status, reservation: { ...status.reservation, ...codes } }
}

export const createStatusProcedures = (agent: DeviceAgent) =>
  implement(statusContract, {
    status: (_, caller) => redactStatus(agent.status(), caller),
    explain: () => agent.explain(),
    chart: () => agentChartLayout,
    support: () => createSupportBundle(agent),
  })

/** Creates the support bundle, without the reservation codes. */
function createSupportBundle(agent: DeviceAgent): Record<string, unknown> {
  const { reservation, ...status } = agent.status()
  const anchor = agent.trust.anchor()
  const { inspection } = agent
  return {
    version: VERSION,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    status: {
      ...status,
      reservation: { status: reservation.status, entitlements: reservation.entitlements },
    },
    explanation: agent.explain(),
    trust: anchor === null ? null : formatCertificateFingerprint(anchor),
    // Only the conferencing product has a deployment.
    ...(status.hosts && { system: agent.module.system.show() }),
    snapshot: inspection.snapshot(),
    stateChanges: toStateChangesDocument(inspection.stateChanges()),
    history: agent.history(1000).map(toTransitionDocument),
    exchanges: inspection.exchanges(200).map(toExchangeDocument),
    usage: agent.usage.periods({ by: 'day', last: 90 }),
    denials: agent.usage.denials(200),
  }
}
