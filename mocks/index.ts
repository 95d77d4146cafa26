/** Test aids for products that embed the agent: an authority behind MSW or real sockets, with faults. */
export {
  type AnswerFaultName,
  faultCatalog,
  type FaultName,
  type ConnectionFaultName,
} from '../src/faults/index.ts'
export { createMockAuthority, type MockAuthority } from './authority.ts'
export type { MockAuthorityOptions, MockRequest, PlannedAnswerFault } from './authority-parts.ts'
export type { Conditions } from './network/conditions.ts'
export type { FaultNetwork, NetworkSetup } from './network/fault-network.ts'
export type { PlannedConnectionFault } from './network/fault-schedule.ts'
export type { ProxyOptions, ProxyStyle, Tunnel } from './network/proxy-server.ts'
export {
  CLOUD_HOSTS,
  ConnectProxy,
  type ConnectProxyOptions,
  type ProxiedAuthority,
  startConnectProxy,
} from '../src/faults/connect-proxy.ts'
