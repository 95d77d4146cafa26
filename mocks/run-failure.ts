import type { ErrorCode } from '../src/core/errors.ts'
import type { FaultName } from '../src/faults/index.ts'
import type { TransportSettings } from '../src/transports/transport.ts'
import type { Duration } from './durations.ts'
import type { FailureResult, MatrixOptions } from './failure-matrix.types.ts'
import { type LicensedBed, licensingMatchers } from './matchers.ts'
import { openTestBed } from './test-bed.ts'

interface Failure {
  readonly fault: FaultName
  readonly transport: TransportSettings['kind']
  readonly code: ErrorCode
}

/** Runs one transport failure against a product, on a test bed of its own. */
export async function runFailure<Product, Api, StatusPart extends object, Tag extends string>(
  options: MatrixOptions<Product, Api, StatusPart, Tag>,
  failure: Failure,
  recovery: Duration,
): Promise<FailureResult> {
  const begun = performance.now()
  const { fault, transport, code } = failure
  const proxy = fault === 'proxy-auth-refused' ? { username: 'device', password: 'secret' } : {}
  const bed = await openTestBed({ ...options.bed, transport, ...(transport === 'proxy' && { proxy }) })
  try {
    const product = await options.open(bed)
    try {
      await bed.register()
      await bed.setFaults(fault)
      await bed.agent.renewAuthorization().catch(() => undefined)
      const shown = await options.show(product)
      const problem = findProblem(bed, failure, shown, options.isRight) ?? (await findRelapse(bed, recovery))
      return { fault, transport, code, shown, problem, milliseconds: performance.now() - begun }
    } finally {
      await options.close?.(product)
    }
  } finally {
    await bed.close()
  }
}

/** Returns what is wrong while the failure lasts. Null if nothing is. */
function findProblem<Product>(
  bed: LicensedBed,
  { fault, code }: Failure,
  shown: string,
  isRight: MatrixOptions<Product>['isRight'] = (failure) =>
    [failure.code, failure.message, failure.remedy].some((words) => failure.shown.includes(words)),
): string | null {
  const found = bed.agent.inspection.listExchanges(1)[0]?.failure
  if (found?.code !== code) return `the agent reports ${found?.code ?? 'no failure'} instead of ${code}`
  const { message, remedy } = found
  return isRight({ shown, fault, code, message, remedy })
    ? null
    : 'the product shows neither the code nor the message nor the remedy'
}

/** Ends the failure. Returns a problem if the device is not well again in time. */
async function findRelapse(
  bed: LicensedBed & { setFaults(): Promise<void> },
  recovery: Duration,
): Promise<string | null> {
  await bed.setFaults()
  const { pass } = await licensingMatchers.toRecoverWithin(bed, recovery)
  return pass ? null : `the device has not recovered within ${recovery}`
}
