import type { Socket } from 'node:net'
import { Transform } from 'node:stream'
import type { VirtualTime } from '../virtual-time.ts'

/** Conditions of a line between the device and the authority. */
export interface Conditions {
  /** Milliseconds by which each direction delays data. Default: 0 */
  readonly latency?: number
  /** Bytes per second in each direction. Default: unlimited */
  readonly bandwidth?: number
  /** Milliseconds after which a name is resolved, for an agent that resolves names here. Default: 0 */
  readonly nameDelay?: number
  /** Probability from 0 to 1 that a connection loses data for good, and is silent from then on. Default: 0 */
  readonly loss?: number
}

/** @throws TypeError for values outside their ranges */
export function checkConditions(conditions: Conditions): void {
  const { latency = 0, bandwidth = Infinity, nameDelay = 0, loss = 0 } = conditions
  if (!(latency >= 0 && nameDelay >= 0)) throw new TypeError('A delay must be 0 milliseconds or more.')
  if (!(bandwidth > 0)) throw new TypeError('The bandwidth must be more than 0 bytes per second.')
  if (!(loss >= 0 && loss <= 1)) throw new TypeError('The loss must be a probability from 0 to 1.')
}

/** Creates a stream that delays data by the conditions that hold when they arrive. */
function createLine(read: () => Conditions, time: VirtualTime): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const { latency = 0, bandwidth = Infinity } = read()
      const wait = latency + (chunk.length / bandwidth) * 1000
      if (wait <= 0) done(null, chunk)
      else
        void time.wait(wait).then(() => {
          done(null, chunk)
        })
    },
  })
}

/** Forwards bytes in both directions under the conditions, until either side is closed. */
export function connectSockets(
  client: Socket,
  server: Socket,
  { read, time, random }: { read: () => Conditions; time: VirtualTime; random: () => number },
): void {
  if (random() < (read().loss ?? 0)) {
    client.once('data', () => {
      time.skip(() => client.destroyed)
    })
  } else {
    client.pipe(createLine(read, time)).pipe(server)
    server.pipe(createLine(read, time)).pipe(client)
  }
  client.once('close', () => server.destroy())
  server.once('close', () => client.destroy())
}
