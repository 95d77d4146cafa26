import cluster, { type Worker } from 'node:cluster'
import { SECOND } from '../../core/time.ts'
import type { ListeningInfo } from '../print-listening.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'

/** What a worker tells the process that has started it; and it, a worker. */
const LISTENING_MESSAGE = 'listening at'
const STOP_MESSAGE = 'stop'

/** A worker that ended by itself is started again after a second, and later each time it ends soon. */
const MIN_RESTART_DELAY_MS = SECOND
const MAX_RESTART_DELAY_MS = 30 * SECOND
/** One that has been up for so long has not failed in starting. */
const STABLE_UPTIME_MS = 60 * SECOND
/** A worker drains for half a minute at most. */
const STOP_TIMEOUT_MS = 40 * SECOND

/** The number of this process among those that serve together, from 0; null where it serves alone. */
export const getWorkerIndex = (): number | null =>
  cluster.isWorker ? Number(process.env.SMART_AUTHORITY_WORKER ?? 0) : null

/** Tells where this worker serves: what is said to people is said once, for all of them. */
export function reportListening(info: ListeningInfo): void {
  process.send?.({ kind: LISTENING_MESSAGE, info })
}

/** Resolves when a worker is to stop: when it is told to, or nobody is left to tell it. Signals are for the one that tells. */
export function onWorkerShutdown(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => undefined)
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === STOP_MESSAGE) resolve()
    })
    process.on('disconnect', resolve)
  })
}

/**
 * Serves at one address by several processes: this one takes the connections and hands them on. It knows nothing of
 * licenses, and what it starts know nothing of each other: what they share is the database (decision 17).
 *
 * @param options.listening called once, with what each has told when all of them serve
 * @returns how it ended: 0, or the exit code of a worker that could not start, which has said why
 */
export async function runWorkers(options: {
  workers: number
  listening: (infos: readonly ListeningInfo[]) => void
  log: { info: (what: string, facts: object) => void; error: (what: string, facts: object) => void }
}): Promise<number> {
  const { workers, log } = options
  const infoByWorker = new Map<number, ListeningInfo>()
  const running = new Map<number, Worker>()
  const stop = new AbortController()
  const stopping = () => stop.signal.aborted
  let failed = 0
  const stopped = onShutdownSignal().then(() => {
    stop.abort()
  })

  /** Starts one. @returns what it tells; null where it ended before it told anything */
  const start = (number: number, pause: number): Promise<ListeningInfo | null> => {
    const worker = cluster.fork({ SMART_AUTHORITY_WORKER: String(number) })
    const since = performance.now()
    running.set(number, worker)
    return new Promise((resolve) => {
      worker.on('message', (message: { kind?: unknown; info?: ListeningInfo }) => {
        if (message.kind !== LISTENING_MESSAGE || !message.info) return
        resolve(message.info)
      })
      worker.once('exit', (code, signal) => {
        running.delete(number)
        if (!infoByWorker.has(number)) failed ||= code || 1
        resolve(null)
        // One that never served at the first start is a reason to say so and end, not to try again.
        if (stopping() || infoByWorker.size < workers) return
        const next = performance.now() - since > STABLE_UPTIME_MS ? MIN_RESTART_DELAY_MS : pause
        log.error('a worker has ended and is started again', { worker: number, code, signal, inMs: next })
        setTimeout(() => {
          if (!stopping()) void start(number, Math.min(next * 2, MAX_RESTART_DELAY_MS))
        }, next)
      })
    })
  }

  try {
    // The first makes what there is one of, such as a TLS certificate; the others find it.
    for (let number = 0; number < workers && !stopping(); number++) {
      const said = await Promise.race([start(number, MIN_RESTART_DELAY_MS), stopped])
      if (stopping()) break
      if (!said) return failed
      infoByWorker.set(number, said)
    }
    if (infoByWorker.size === workers) options.listening([...infoByWorker.values()])
    await stopped
    log.info('stopping', {})
    return 0
  } finally {
    stop.abort()
    await endAll([...running.values()])
  }
}

/** Ends workers: drained if they can, killed if they do not. */
async function endAll(workers: readonly Worker[]): Promise<void> {
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve) => {
          const late = setTimeout(() => worker.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
          worker.once('exit', () => {
            clearTimeout(late)
            resolve()
          })
          worker.send(STOP_MESSAGE, () => undefined)
        }),
    ),
  )
}
