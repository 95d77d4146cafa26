import { faultCatalog, type FaultName } from '../../mocks/index.ts'
import type { ConnectionOptions } from '../../src/transports/connection-options.ts'
import type { Transport } from '../../src/transports/transport.ts'

type Limits = Pick<ConnectionOptions, 'deadline' | 'timeouts'>

/** Whether a fault ends only with the patience of whoever waits for the answer. */
export const isSilent = (fault: FaultName): boolean =>
  ['TIMED_OUT', 'ANSWER_TOO_SLOW', 'PROXY_TIMED_OUT'].some((code) => code === faultCatalog[fault].code)

/** Milliseconds that an exchange took that was answered, the last time in this process. */
let lastExchangeMs = 0

/** Many times what an exchange takes, on a machine as busy as this one is. */
function getShortLimits(): Limits {
  const deadline = Math.max(400, 10 * lastExchangeMs)
  const part = deadline / 2
  return { deadline, timeouts: { connect: part, proxy: part, tls: part } }
}

/** Short for what never comes, and for all else as long as it is for people, however busy the machine is. */
export class TestTimeouts {
  short = false

  transport(make: (limits: Limits) => Transport): Transport {
    const usual = make({})
    const opened = [usual]
    return {
      post: async (...request) => {
        if (this.short) {
          const short = make(getShortLimits())
          opened.push(short)
          return short.post(...request)
        }
        const begun = performance.now()
        const answer = await usual.post(...request)
        lastExchangeMs = performance.now() - begun
        return answer
      },
      close: (options) => {
        for (const transport of opened) transport.close(options)
      },
    }
  }
}
