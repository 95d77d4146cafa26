import { clearTimeout, setTimeout } from 'node:timers'
import type { Clock } from '../core/clock.ts'
import { systemClock } from '../core/system-clock.ts'

/**
 * Starts a deadline measured by the machine's uptime. If the process clock jumps or runs fast, the timer fires
 * early and is set again for the remaining time.
 *
 * Timers are those of `node:timers`, because a test of a product may have replaced the global ones.
 *
 * @param milliseconds time until the signal aborts
 * @param clock clock that ends the deadline, too, if it has timers
 */
export function startDeadline(
  milliseconds: number,
  clock?: Pick<Clock, 'setTimer'>,
): {
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
  const cancel = clock?.setTimer?.(milliseconds, () => {
    clearTimeout(timer)
    controller.abort()
  })
  const stop = () => {
    clearTimeout(timer)
    cancel?.()
  }
  return {
    signal: controller.signal,
    abort: () => {
      stop()
      controller.abort()
    },
    stop,
  }
}

/** Resolves to the result of `work`, or to null after `milliseconds`. The work is not canceled. */
export async function withTimeout<T>(
  milliseconds: number,
  work: Promise<T>,
  clock?: Pick<Clock, 'setTimer'>,
): Promise<T | null> {
  const { signal, stop } = startDeadline(milliseconds, clock)
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
