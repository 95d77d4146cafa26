import { systemClock } from '../core/system-clock.ts'

/**
 * Starts a deadline measured by the machine's uptime. If the process clock jumps or runs fast, the timer fires
 * early and is set again for the remaining time.
 *
 * @param milliseconds time until the signal aborts
 */
export function startDeadline(milliseconds: number): {
  signal: AbortSignal
  /** Cancels the deadline. */
  stop: () => void
  /** Aborts the signal now. */
  abort: () => void
} {
  const controller = new AbortController()
  const end = systemClock.uptime() + milliseconds
  let timer: NodeJS.Timeout | undefined
  const setTimer = () => {
    const remainingMs = end - systemClock.uptime()
    if (remainingMs <= 0) controller.abort()
    else timer = setTimeout(setTimer, remainingMs)
  }
  setTimer()
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

/** Resolves to the result of `work`, or to null after `milliseconds`. The work is not canceled. */
export async function withTimeout<T>(milliseconds: number, work: Promise<T>): Promise<T | null> {
  const { signal, stop } = startDeadline(milliseconds)
  const timedOut = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(null)
    })
  })
  try {
    return await Promise.race([work, timedOut])
  } finally {
    stop()
  }
}
