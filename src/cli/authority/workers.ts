import cluster, { type Worker } from 'node:cluster'
import { SECOND } from '../../core/time.ts'
import type { ListeningInfo } from '../print-listening.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'

/** Kinds of messages between the primary process and its workers. */
const LISTENING_MESSAGE = 'listening at'
const STOP_MESSAGE = 'stop'

/** Delay before a worker restart. The delay doubles each time a worker ends soon after its start. */
const MIN_RESTART_DELAY_MS = SECOND
const MAX_RESTART_DELAY_MS = 30 * SECOND
/** Uptime after which the restart delay is reset. */
const STABLE_UPTIME_MS = 60 * SECOND
/** Time before a worker is killed. Workers stop within 28 seconds. */
const STOP_TIMEOUT_MS = 29 * SECOND

/** Returns the index of this worker, from 0, or null in a single process. */
export const getWorkerIndex = (): number | null =>
  cluster.isWorker ? Number(process.env.SMART_AUTHORITY_WORKER ?? 0) : null

/** Sends the addresses of this worker to the primary, which prints them once for all workers. */
export function reportListening(info: ListeningInfo): void {
  process.send?.({ kind: LISTENING_MESSAGE, info })
}

/** Resolves on a stop message or when the primary is gone. Workers ignore signals, because the primary handles them. */
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
 * Serves at one address with several worker processes. This primary process accepts the connections and distributes them.
 * The workers share only the database (ADR 17).
 *
 * @param options.listening called once with the addresses of all workers, when all of them serve
 * @returns the exit code: 0, or that of a worker that could not start and has printed the reason
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

  /** Starts a worker. @returns its addresses, or null if it ended before it served */
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
        // A worker that never served has a permanent fault, such as a wrong option. Do not restart it.
        if (stopping() || infoByWorker.size < workers) return
        const delay = performance.now() - since > STABLE_UPTIME_MS ? MIN_RESTART_DELAY_MS : pause
        log.error('worker ended, restarting', { worker: number, code, signal, inMs: delay })
        setTimeout(() => {
          if (!stopping()) void start(number, Math.min(delay * 2, MAX_RESTART_DELAY_MS))
        }, delay)
      })
    })
  }

  try {
    // The first worker starts alone, because it creates shared files such as the TLS certificate.
    for (let number = 0; number < workers && !stopping(); number++) {
      const info = await Promise.race([start(number, MIN_RESTART_DELAY_MS), stopped])
      if (stopping()) break
      if (!info) return failed
      infoByWorker.set(number, info)
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

/** Stops workers. Kills those that have not drained within the timeout. */
async function endAll(workers: readonly Worker[]): Promise<void> {
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(() => worker.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
          worker.once('exit', () => {
            clearTimeout(timer)
            resolve()
          })
          worker.send(STOP_MESSAGE, () => undefined)
        }),
    ),
  )
}
