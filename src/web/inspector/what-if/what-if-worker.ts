import { whatIf } from '../../../../machines/what-if.ts'
import type { RunAnswer, RunRequest } from './worker-messages.ts'

/** Runs the machine apart from the page, so that the page stays usable during long runs. */
self.addEventListener('message', ({ data }: MessageEvent<RunRequest>) => {
  self.postMessage(run(data))
})

function run({ id, snapshot, options }: RunRequest): RunAnswer {
  const begin = performance.now()
  try {
    const { end: _end, ...result } = whatIf(snapshot, options)
    return {
      id,
      error: null,
      result: { ...result, milliseconds: performance.now() - begin },
    }
  } catch (error) {
    return { id, result: null, error: error instanceof Error ? error.message : String(error) }
  }
}
