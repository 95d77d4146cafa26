/** Test aids for products that embed the agent: an authority behind MSW or real sockets, with faults. */
export {
  type AnswerFaultName,
  faultCatalog,
  type FaultName,
  type PlannedFault,
  type ConnectionFaultName,
} from '../src/faults/index.ts'
export { createMockAuthority, type MockAuthority, type MockAuthorityOptions } from './authority.ts'
export type { FaultNetwork } from './fault-network.ts'
export {
  CLOUD_HOSTS,
  ConnectProxy,
  type ConnectProxyOptions,
  type ProxiedAuthority,
  startConnectProxy,
} from '../src/faults/connect-proxy.ts'
