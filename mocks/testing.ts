/** Virtual clock for tests of products that embed the agent. */
export { VirtualClock } from './virtual-clock.ts'
