import type { LicenseState } from '../machines/state-names.ts'
import { HOUR } from '../src/core/time.ts'
import type { ErrorCode } from '../src/core/errors.ts'
import type { Status } from '../src/agent/status.ts'
import type { SmartAgent } from '../src/index.ts'
import { type Duration, toMilliseconds } from './durations.ts'
import type { TestBed } from './test-bed.types.ts'
import { formatTimeline } from './timeline.ts'

/** Result of a matcher, as `expect.extend` of vitest and Jest takes it. */
export interface MatcherResult {
  readonly pass: boolean
  readonly message: () => string
}

/** Part of a test bed that the matchers need, of any product. */
export type LicensedBed = Pick<TestBed, 'requests' | 'advance' | 'timeline'> & {
  readonly agent: Pick<SmartAgent, 'inspection'> & { status(): Status }
}

const STEP_MS = HOUR / 4

/** Creates a result whose message ends with the timeline of the bed. */
const createResult = (bed: LicensedBed, pass: boolean, wanted: string, found: string): MatcherResult => ({
  pass,
  message: () =>
    `Expected the device ${pass ? 'not ' : ''}${wanted}, but ${found}.\n\n${formatTimeline(bed.timeline())}`,
})

/** Returns the counts of the newest report that came to the license server. Null without one. */
function findReport({ requests }: LicensedBed): Readonly<Record<string, number>> | null {
  const report = requests.findLast(({ type, payload }) => type === 'authorize' && payload !== null)
  // Read without the schema, because importing the schemas takes longer than most tests.
  const { body } = { ...report?.payload } as { body?: { entitlements?: { tag: string; count: number }[] } }
  return body?.entitlements
    ? Object.fromEntries(body.entitlements.map(({ tag, count }) => [tag, count]))
    : null
}

/** Returns the code of the newest exchange. Null if it was answered, or if there was none. */
const findFailure = ({ agent }: LicensedBed): string | null =>
  agent.inspection.listExchanges(1)[0]?.failure?.code ?? null

/** Returns true if the device has no failed registration or exchange. */
function isWell({ agent }: LicensedBed): boolean {
  const { transport, registration } = agent.status()
  return transport.link === 'up' && registration.status !== 'retrying'
}

/**
 * Matchers for test beds, for `expect.extend` of vitest and Jest. A failure shows the timeline of the bed.
 *
 * @example
 * expect.extend(licensingMatchers)
 * expect(bed).toBeIn('authorized')
 */
export const licensingMatchers = {
  /** The newest report to the license server has this count. */
  toHaveReported(bed: LicensedBed, tag: string, count: number): MatcherResult {
    const report = findReport(bed)
    const found =
      report === null
        ? 'no report came to the license server'
        : `the newest report has ${report[tag] ?? 0} of ${tag}`
    return createResult(
      bed,
      report !== null && (report[tag] ?? 0) === count,
      `to have reported ${count} of ${tag}`,
      found,
    )
  },

  /** The device is in this license state. */
  toBeIn(bed: LicensedBed, state: LicenseState): MatcherResult {
    const { state: found } = bed.agent.status()
    return createResult(bed, found === state, `to be in ${state}`, `it is in ${found}`)
  },

  /** The newest exchange has failed with this code. */
  toFailWith(bed: LicensedBed, code: ErrorCode): MatcherResult {
    const found = findFailure(bed)
    return createResult(
      bed,
      found === code,
      `to fail with ${code}`,
      found === null ? 'its newest exchange has not failed' : `it failed with ${found}`,
    )
  },

  /** The device recovers by itself within a duration, which passes on the virtual clock until it has. */
  async toRecoverWithin(bed: LicensedBed, duration: Duration): Promise<MatcherResult> {
    let left = toMilliseconds(duration)
    while (!isWell(bed) && left > 0) {
      const step = Math.min(left, STEP_MS)
      await bed.advance(step)
      left -= step
    }
    const code = findFailure(bed)
    const found = isWell(bed) ? 'it has recovered' : `it still fails${code === null ? '' : ` with ${code}`}`
    return createResult(bed, isWell(bed), `to recover within ${duration}`, found)
  },
}

/** Matchers as methods of `expect(bed)`, for the type declarations of vitest and Jest. */
export interface LicensingMatchers<R = unknown> {
  toHaveReported(tag: string, count: number): R
  toBeIn(state: LicenseState): R
  toFailWith(code: ErrorCode): R
  toRecoverWithin(duration: Duration): Promise<R>
}

/** Returns the matchers as functions that throw, for `node --test` and other runners. @throws Error with the timeline */
export function assertLicensing(bed: LicensedBed): LicensingMatchers<void> {
  const check = ({ pass, message }: MatcherResult) => {
    if (!pass) throw new Error(message())
  }
  return {
    toHaveReported: (tag, count) => {
      check(licensingMatchers.toHaveReported(bed, tag, count))
    },
    toBeIn: (state) => {
      check(licensingMatchers.toBeIn(bed, state))
    },
    toFailWith: (code) => {
      check(licensingMatchers.toFailWith(bed, code))
    },
    toRecoverWithin: async (duration) => {
      check(await licensingMatchers.toRecoverWithin(bed, duration))
    },
  }
}
