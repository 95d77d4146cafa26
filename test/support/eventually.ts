import { vi } from 'vitest'

/** Waits until an expectation holds: only what never comes takes long, however busy the machine is. */
export const eventually = (expectation: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(expectation, { timeout: 60_000, interval: 20 })
