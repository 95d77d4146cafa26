/** Faults between a device and its authority, for tests. */
export {
  type AnswerFaultName,
  describeFault,
  type Delivery,
  faultCatalog,
  type FaultName,
  isAnswerFault,
  isConnectionFault,
  isFault,
  type Reply,
  type ConnectionFaultName,
} from './faults.ts'
export { deliver } from './deliver.ts'
export { Injector } from './inject.ts'
export { FaultPlan, MAX_DELAY_MS, parseChaos, type PlannedFault } from './plan.ts'
export { resignUntrusted, createUntrustedCredential } from './untrusted-signer.ts'
