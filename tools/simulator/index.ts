/** Simulator of a fleet, its authority and their faults, in one process and on virtual time. */
export { type Invariant, invariants } from './invariants.ts'
export {
  type Action,
  type FaultLevel,
  createPlan,
  type Plan,
  type PlanOptions,
  type PlannedAction,
} from './plan.ts'
export { runSimulation, type SimulationResult } from './simulation.ts'
export { type RecoveryReport, type FleetPlan, type FleetReport, simulateFleet } from './fleet.ts'
