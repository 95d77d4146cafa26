/** For tests of products that embed the agent: time that moves when told to. */
export { VirtualClock } from './virtual-clock.ts'
export * from '../simulation/index.ts'
