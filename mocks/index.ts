/** For tests of products that embed the agent: an authority behind MSW, and everything that can go wrong. */
export { mockAuthority, type MockAuthority, type MockAuthorityOptions } from './authority.ts'
export { faultCatalogue, type FaultName, type PlannedFault } from './faults.ts'
