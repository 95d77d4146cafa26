import type { Tracing } from './tracing.ts'

/** What is told of an exchange, whoever looks. */
type Observer = Pick<Tracing, 'exchange'> & { transaction(seconds: number): void }

/** Several who look, as one: the trace is the first's that keeps one. */
export function combineObservers(observers: readonly Observer[]): Observer {
  return {
    exchange: (type, origin) => {
      const watches = observers.map((observer) => observer.exchange(type, origin))
      return {
        traceId: watches.find(({ traceId }) => traceId !== null)?.traceId ?? null,
        step: (step) => {
          for (const watch of watches) watch.step(step)
        },
        end: (end) => {
          for (const watch of watches) watch.end(end)
        },
      }
    },
    transaction: (seconds) => {
      for (const observer of observers) observer.transaction(seconds)
    },
  }
}
