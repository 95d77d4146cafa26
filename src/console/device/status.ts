import { createSupportBundle } from '../../agent/support-bundle.ts'
import type { DeviceAgent, DeviceStatus } from './device-agent.ts'
import { agentChartLayout } from '../../diagrams/agent-chart.ts'
import { type Caller, implement } from '../../http/procedures.ts'
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
    support: () => createDeviceBundle(agent),
  })

/** Creates the support bundle of a device. Only the conferencing product has a deployment. */
const createDeviceBundle = async (agent: DeviceAgent): Promise<Record<string, unknown>> => ({
  ...(await createSupportBundle(agent)),
  ...(agent.status().hosts && { system: agent.module.system.show() }),
})
