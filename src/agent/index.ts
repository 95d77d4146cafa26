/** The licensing agent, for embedding. */
export { type ErrorCode, type ErrorDocument, errorTable, LicensingError } from '../core/errors.ts'
export type { Clock } from '../core/clock.ts'
export {
  conferencing,
  defineProfile,
  type ProductProfile,
  type ProfileInput,
  type ProfileTag,
  SIZES,
  type Size,
} from '../core/profile.ts'
export type { Transport, TransportSettings } from '../transports/transport.ts'
export { type OpenOptions, SmartAgent } from './agent.ts'
export type { Explanation } from './explain.ts'
export type { AgentLogger } from './logger.ts'
export type { NoticeRecord } from './event-catalog.ts'
export type { EntitlementStatus, Status } from './status.ts'
export type { Transition } from './machine-runner.ts'
export type { HistoryRow } from './store.ts'
