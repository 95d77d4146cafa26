import { inject } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    heartbeat: 'on' | 'off'
  }
}

/**
 * Returns whether tests open agents with their periodic tick. One vitest project runs the agent's suites a second time without
 * it.
 */
export const isHeartbeatOn = (): boolean => inject('heartbeat') !== 'off'
