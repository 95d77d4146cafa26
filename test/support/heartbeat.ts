import { inject } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    heartbeat: 'on' | 'off'
  }
}

/**
 * Returns whether agents are opened with their heartbeat in this run. They are, as every product opens them, but for the vitest
 * project that runs the suites of the agent a second time without it.
 */
export const isHeartbeatOn = (): boolean => inject('heartbeat') !== 'off'
