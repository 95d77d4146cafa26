import { vi } from 'vitest'

/** Waits until an expectation holds. The long timeout matters only for expectations that never hold. */
export const eventually = (expectation: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(expectation, { timeout: 60_000, interval: 20 })
