import { systemClock } from '../core/system-clock.ts'

/**
 * An AbortController that fires once the time has really passed: a timer that comes early, because the
 * process clock jumped or runs fast, is set again for what is left.
 *
 * @param milliseconds of the machine's uptime
 */
export function startDeadline(milliseconds: number): {
  signal: AbortSignal
  /** It does not fire any more. */
  stop: () => void
  /** It fires now. */
  abort: () => void
} {
  const controller = new AbortController()
  const end = systemClock.uptime() + milliseconds
  let timer: NodeJS.Timeout | undefined
  const arm = () => {
    const left = end - systemClock.uptime()
    if (left <= 0) controller.abort()
    else timer = setTimeout(arm, left)
  }
  arm()
  return {
    signal: controller.signal,
    abort: () => {
      clearTimeout(timer)
      controller.abort()
    },
    stop: () => {
      clearTimeout(timer)
    },
  }
}

/** Resolves to the result of some work, or to null after `milliseconds`. The work is not canceled; a late result is discarded. */
export async function withTimeout<T>(milliseconds: number, work: Promise<T>): Promise<T | null> {
  const { signal, stop } = startDeadline(milliseconds)
  const late = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(null)
    })
  })
  try {
    return await Promise.race([work, late])
  } finally {
    stop()
  }
}
