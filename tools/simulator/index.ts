/** A fleet, its authority and everything that can go wrong, in one process and on virtual time. */
export { type Invariant, invariants } from './invariants.ts'
export { type Deed, type Harm, makePlan, type Plan, type PlanOptions, type Step } from './plan.ts'
export { happen, type History } from './simulation.ts'
export { type Aftermath, type FleetPlan, type FleetReport, letFleetLive } from './fleet.ts'
