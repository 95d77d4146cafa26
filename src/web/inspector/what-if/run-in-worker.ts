import type { RunResult } from './worker-messages.ts'
import type { RunAnswer, RunRequest } from './worker-messages.ts'

/** Worker that runs the machine. */
export interface Runner {
  /** @throws Error for a run that is not possible, or when the worker does not start */
  readonly run: (request: Omit<RunRequest, 'id'>) => Promise<RunResult>
  readonly close: () => void
}

/** Starts a worker that runs copies of the machine. It ends with `close`. */
export function startRunner(): Runner {
  const worker = new Worker(new URL('what-if-worker.ts', import.meta.url), { type: 'module' })
  let lastId = 0
  return {
    run: (request) =>
      new Promise((resolve, reject) => {
        const id = ++lastId
        const stop = new AbortController()
        const { signal } = stop
        worker.addEventListener(
          'message',
          ({ data }: MessageEvent<RunAnswer>) => {
            if (data.id !== id) return
            stop.abort()
            if (data.error === null) resolve(data.result)
            else reject(new Error(data.error))
          },
          { signal },
        )
        worker.addEventListener(
          'error',
          () => {
            stop.abort()
            reject(new Error('The worker of this page does not run.'))
          },
          { signal },
        )
        worker.postMessage({ ...request, id } satisfies RunRequest)
      }),
    close: () => {
      worker.terminate()
    },
  }
}
