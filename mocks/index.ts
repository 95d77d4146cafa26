/** For tests of products that embed the agent: an authority, by MSW or by real sockets, and everything that can go wrong. */
export {
  type AnswerFaultName,
  faultCatalogue,
  type FaultName,
  type PlannedFault,
  type RoadFaultName,
} from '../src/faults/index.ts'
export { mockAuthority, type MockAuthority, type MockAuthorityOptions } from './authority.ts'
export type { Road } from './fault-network.ts'
export {
  CLOUD_HOSTS,
  ConnectProxy,
  type ConnectProxyOptions,
  type ProxiedAuthority,
  startConnectProxy,
} from '../src/faults/connect-proxy.ts'
