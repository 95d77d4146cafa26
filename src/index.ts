/** Entry point for embedding the licensing agent. */
import { SmartAgent as ProductAgent } from './agent/agent.ts'
import type { AgentClient, ConnectOptions } from './agent/agent-client.ts'
import type { OpenOptions as ProductOptions } from './agent/open-agent.ts'
import type { CreateServers } from './agent/served-agent.ts'
import { conferencing, type Conferencing, type ConferencingStatus } from './conferencing/index.ts'
import { Servers } from './serving/agent-servers.ts'

export type { Clock } from './core/clock.ts'
export {
  type ErrorCode,
  type ErrorDocument,
  type ErrorKind,
  errorTable,
  LicensingError,
  type Resource,
} from './core/errors.ts'
export { type ControlCommand, defineCommand } from './core/control-command.ts'
export { defineProfile, type ProductProfile, type ProfileInput, type ProfileTag } from './core/profile.ts'
export type { SqliteDatabase, SqliteOptions, SqliteStatement } from './core/sqlite.types.ts'
export type { Deadlines, NameLookup } from './transports/connection.ts'
export type { Transport, TransportSettings } from './transports/transport.ts'
export type { Explanation, PossibleChange } from './agent/explain.ts'
export type { AgentEventMap } from './agent/agent-events.ts'
export type { AgentObserver, RequestSpan } from './agent/observer.ts'
export type {
  ConnectionTestReport,
  ConnectionTestStep,
  ConnectionTestStepName,
} from './agent/connection-test.ts'
export type { Denial, UsagePeriod } from './agent/usage-history.ts'
export type { Product } from './agent/persisted-state.ts'
export type { RegisterOptions, RequestOptions } from './agent/registration-requests.ts'
export type { ReservationApi } from './agent/reservation-api.ts'
export type { TransportApi } from './agent/transport-api.ts'
export type { TransportOptions } from './agent/transport-manager.ts'
export type { TrustApi } from './agent/trust-api.ts'
export type { UsageReports } from './agent/usage-reports.ts'
export type { Instant } from './core/time.ts'
export type { AgentLogger } from './agent/logger.ts'
export type { AgentEvent, AgentEventName, Severity } from './agent/event-catalog.ts'
export type {
  LicenseHold,
  ModuleAgent,
  ModuleOperation,
  ModuleState,
  ModuleStorage,
  ModuleTransaction,
  ProductModule,
} from './agent/product-module.ts'
export type { AttemptOutcome, EntitlementStatus } from './agent/status.ts'
export type { DeniedActions, PolicyDecision } from './agent/usage-policy.ts'
export type { AgentClient, ClientEventMap, ConnectOptions } from './agent/agent-client.ts'
export type { Transition } from './agent/machine-runner.ts'
export type { EventCounts, HistoryRow } from './agent/history-table.ts'
export type { Exchange, ExchangeRoute, ExchangeRow, ExchangeStep } from './agent/exchange-table.ts'
export type { Inspection, PastSnapshot, StateChanges } from './agent/inspection.ts'
export type {
  InspectedEvent,
  InspectedSnapshot,
  InspectionFeed,
  InspectionFrame,
  MachineInspector,
} from './agent/inspection-feed.ts'
export type { StatePaths } from './agent/state-paths.ts'
export type { ListenAddress, ServedAddresses, ServedAgent, ServeOptions } from './agent/served-agent.ts'

/**
 * Options of `SmartAgent.open`. By default, `module` is the conferencing module, which serves products whose
 * profile names it.
 */
export type OpenOptions<
  Api = Conferencing,
  StatusPart extends object = ConferencingStatus,
  Tag extends string = string,
> = ProductOptions<Api, StatusPart, Tag>

/**
 * Status document of the agent. The module of a product adds a part of its own, such as that of the conferencing
 * module.
 */
export type Status = ReturnType<SmartAgent['status']>

/** Licensing agent of one device. `Tag` is the union of the entitlement tags, if the profile's type has them. */
export type SmartAgent<
  Api = Conferencing,
  StatusPart extends object = ConferencingStatus,
  Tag extends string = string,
> = ProductAgent<Api, StatusPart, Tag>

// The servers check themselves whether the product is a conferencing product.
const createServers: CreateServers<ProductAgent> = (agent, options) =>
  new Servers(agent as unknown as SmartAgent, options)

function open<Tag extends string = string>(
  options: OpenOptions<Conferencing, ConferencingStatus, Tag>,
): Promise<SmartAgent<Conferencing, ConferencingStatus, Tag>>
function open<Api, StatusPart extends object, Tag extends string = string>(
  options: OpenOptions<Api, StatusPart, Tag>,
): Promise<SmartAgent<Api, StatusPart, Tag>>
function open(options: OpenOptions): Promise<SmartAgent> {
  return ProductAgent.open({ module: conferencing(), ...options }, createServers)
}

/**
 * Connects to the agent that another process of the product has opened and serves (`agent.serve({ control: true })`).
 *
 * @throws LicensingError DAEMON_UNREACHABLE if no agent serves the directory within `timeoutMs`
 * @example
 * const client = await SmartAgent.connect('/var/lib/my-product/licensing')
 * if (client.allows('tunnel-open').allowed) await client.setUsage('TUNNEL', 4)
 */
async function connect<StatusPart extends object = ConferencingStatus>(
  dataDir: string,
  options?: ConnectOptions,
): Promise<AgentClient<StatusPart>> {
  const { connectClient } = await import('./agent/agent-client.ts')
  return connectClient(dataDir, options)
}

/** Licensing agent whose default profile for a new data directory is the conferencing profile. */
export const SmartAgent = {
  /** @see ProductAgent.open */
  open,
  connect,
  /** @see ProductAgent.init */
  init: (options: Parameters<typeof ProductAgent.init>[0]): Promise<void> =>
    ProductAgent.init({ module: conferencing(), ...options }),
  /** @see ProductAgent.exists */
  exists: (dataDir: string): boolean => ProductAgent.exists(dataDir),
}
