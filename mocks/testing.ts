/** Test aids for products that embed the agent: test bed, virtual clock, matchers, and the matrix of failures. */
import type { TestBed, TestBedOptions } from './test-bed.types.ts'

export type { Duration } from './durations.ts'
export type { FailureCell, FailureMatrix, FailureResult, MatrixOptions } from './failure-matrix.types.ts'
export { transportFailureMatrix } from './failure-matrix.ts'
export { assertLicensing, licensingMatchers, type LicensingMatchers } from './matchers.ts'
export type { BedFault, TestBed, TestBedOptions } from './test-bed.types.ts'
export { formatTimeline, type TimelineEntry } from './timeline.ts'
export { VirtualClock } from './virtual-clock.ts'

/**
 * Creates a test bed: the agent of a product, a real authority, a virtual clock, and a network on loopback with real TLS.
 * Dispose of it with `await using`, or with `close`.
 *
 * @throws TypeError for an unknown fault, for fake timers that would stop the network, LicensingError as `SmartAgent.open`
 */
export async function createTestBed<
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
>(options: TestBedOptions<Api, StatusPart, Tag> = {}): Promise<TestBed<Api, StatusPart, Tag>> {
  const { openTestBed } = await import('./test-bed.ts')
  return openTestBed(options)
}
