/** Faults between a box and its authority, for whoever tests against them. */
export {
  type AnswerFaultName,
  type Delivery,
  faultCatalogue,
  type FaultName,
  isAnswerFault,
  isFault,
  type Reply,
  type RoadFaultName,
} from './faults.ts'
export { Injector } from './inject.ts'
export { FaultPlan, LONGEST_DELAY, parseChaos, type PlannedFault } from './plan.ts'
export { forge, strangeCredential } from './untrusted-signer.ts'
