import type { MessageType } from '../protocol/messages.ts'

/** The origin of a request. */
export interface Origin {
  /** The server's number of the request. Null for a request of this process. */
  readonly requestId: string | null
  /** The trace that the sender names (W3C Trace Context), or null. */
  readonly traceparent: string | null
  /** Receives the id of the request's trace as soon as it is known. */
  readonly onTrace?: (traceId: string) => void
}

/** The origin of a request that was not received by a server. */
export const IN_PROCESS_ORIGIN: Origin = { requestId: null, traceparent: null }

/** Steps of an exchange, in their order. */
export type ExchangeStep = 'receive' | 'decide' | 'commit' | 'seal'

/** The outcome of an exchange. `failed` means that it has no signed answer. */
export interface ExchangeEnd {
  readonly outcome: 'accepted' | 'refused' | 'failed'
  /** An error code, or null if the request was accepted. */
  readonly code: string | null
}

/** Observer of one exchange. */
export interface ExchangeSpan {
  /** The id of the exchange's trace, or null if no traces are recorded. */
  readonly traceId: string | null
  /** Begins a step, and ends the step before. */
  step(step: ExchangeStep): void
  end(end: ExchangeEnd): void
}

/** Observer of an authority, for metrics and traces. */
export interface AuthorityObserver {
  exchange(type: MessageType | 'synchronize', origin: Origin): ExchangeSpan
  /** Reports the end of a transaction. @param seconds its duration, including the wait for the database */
  transaction(seconds: number): void
}

const noopSpan: ExchangeSpan = { traceId: null, step: () => undefined, end: () => undefined }

/** Ignores everything. */
export const noopObserver: AuthorityObserver = {
  exchange: () => noopSpan,
  transaction: () => undefined,
}
