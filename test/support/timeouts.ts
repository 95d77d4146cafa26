import { faultCatalog, type FaultName } from '../../mocks/index.ts'
import type { ConnectionOptions } from '../../src/transports/connection-options.ts'
import type { Transport } from '../../src/transports/transport.ts'

type Limits = Pick<ConnectionOptions, 'deadline' | 'timeouts'>

/** Returns whether a fault ends only with the timeout of the client. */
export const isSilent = (fault: FaultName): boolean =>
  ['TIMED_OUT', 'ANSWER_TOO_SLOW', 'PROXY_TIMED_OUT'].some((code) => code === faultCatalog[fault].code)

/** Duration of the last answered exchange in this process, in milliseconds. */
let lastExchangeMs = 0

/** Returns timeouts of many times the duration of an exchange on this machine. */
function getShortLimits(): Limits {
  const deadline = Math.max(400, 10 * lastExchangeMs)
  const part = deadline / 2
  return { deadline, timeouts: { connect: part, proxy: part, tls: part } }
}

/** Creates transports that use short timeouts while `short` is set, for faults without an answer. */
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
