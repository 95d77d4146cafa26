import type { Tracing } from './tracing.ts'

/** Observer of exchanges and transactions. */
type Observer = Pick<Tracing, 'exchange'> & { transaction(seconds: number): void }

/** Combines observers into one. The trace id comes from the first observer that has one. */
export function combineObservers(observers: readonly Observer[]): Observer {
  return {
    exchange: (type, origin) => {
      const spans = observers.map((observer) => observer.exchange(type, origin))
      return {
        traceId: spans.find(({ traceId }) => traceId !== null)?.traceId ?? null,
        step: (step) => {
          for (const span of spans) span.step(step)
        },
        end: (end) => {
          for (const span of spans) span.end(end)
        },
      }
    },
    transaction: (seconds) => {
      for (const observer of observers) observer.transaction(seconds)
    },
  }
}
