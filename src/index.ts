/** Entry point for embedding the licensing agent. */
import { SmartAgent as ProductAgent } from './agent/agent.ts'
import type { OpenOptions as ProductOptions } from './agent/open-agent.ts'
import { conferencing, type Conferencing, type ConferencingStatus } from './conferencing/index.ts'

export type { Clock } from './core/clock.ts'
export { type ErrorCode, type ErrorDocument, errorTable, LicensingError } from './core/errors.ts'
export { type ControlCommand, defineCommand } from './core/control-command.ts'
export { defineProfile, type ProductProfile, type ProfileInput, type ProfileTag } from './core/profile.ts'
export type { SqliteDatabase, SqliteOptions, SqliteStatement } from './core/sqlite.types.ts'
export type { Transport, TransportSettings } from './transports/transport.ts'
export type { Explanation } from './agent/explain.ts'
export type { AgentLogger } from './agent/logger.ts'
export type { AgentEvent } from './agent/event-catalog.ts'
export type {
  LicenseHold,
  ModuleAgent,
  ModuleOperation,
  ModuleState,
  ModuleStorage,
  ModuleTransaction,
  ProductModule,
} from './agent/product-module.ts'
export type { EntitlementStatus } from './agent/status.ts'
export type { Transition } from './agent/machine-runner.ts'
export type { HistoryRow } from './agent/history-table.ts'

/**
 * Options of `SmartAgent.open`. By default, `module` is the conferencing module, which serves products whose
 * profile names it.
 */
export type OpenOptions<Api = Conferencing, StatusPart extends object = ConferencingStatus> = ProductOptions<
  Api,
  StatusPart
>

/**
 * Status document of the agent. The module of a product adds a part of its own, such as that of the conferencing
 * module.
 */
export type Status = ReturnType<SmartAgent['status']>

/** Licensing agent of one device. */
export type SmartAgent<Api = Conferencing, StatusPart extends object = ConferencingStatus> = ProductAgent<
  Api,
  StatusPart
>

function open(options: OpenOptions): Promise<SmartAgent>
function open<Api, StatusPart extends object>(
  options: OpenOptions<Api, StatusPart>,
): Promise<SmartAgent<Api, StatusPart>>
function open(options: OpenOptions): Promise<SmartAgent> {
  return ProductAgent.open({ module: conferencing(), ...options })
}

/** Licensing agent whose default profile for a new data directory is the conferencing profile. */
export const SmartAgent = {
  /** @see ProductAgent.open */
  open,
  /** @see ProductAgent.init */
  init: (options: Parameters<typeof ProductAgent.init>[0]): Promise<void> =>
    ProductAgent.init({ module: conferencing(), ...options }),
  /** @see ProductAgent.exists */
  exists: (dataDir: string): boolean => ProductAgent.exists(dataDir),
}
