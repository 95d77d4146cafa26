import { faultCatalogue, type FaultName } from '../../mocks/index.ts'
import type { RoadOptions } from '../../src/transports/road.ts'
import type { Transport } from '../../src/transports/transport.ts'

type Limits = Pick<RoadOptions, 'deadline' | 'timeouts'>
const SHORT: Limits = { deadline: 400, timeouts: { connect: 200, proxy: 200, tls: 200 } }

/** Whether a fault ends only with the patience of whoever waits for the answer. */
export const isSilent = (fault: FaultName): boolean =>
  ['TIMED_OUT', 'ANSWER_TOO_SLOW', 'PROXY_TIMED_OUT'].some((code) => code === faultCatalogue[fault].code)

/** Short for what never comes, and for all else as long as it is for people, however busy the machine is. */
export class Patience {
  short = false

  transport(make: (limits: Limits) => Transport): Transport {
    const [short, usual] = [make(SHORT), make({})]
    return {
      post: (...request) => (this.short ? short : usual).post(...request),
      close: (options) => {
        short.close(options)
        usual.close(options)
      },
    }
  }
}
