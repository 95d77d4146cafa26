import type { MessageType } from '../protocol/messages.ts'

/** Where a request came from, as far as it can be told apart from others. */
export interface Origin {
  /** The server's own number of it; null in this process. */
  readonly requestId: string | null
  /** The trace that its sender says it is a part of (W3C Trace Context); null without. */
  readonly traceparent: string | null
  /** Hears the trace that an exchange of it is a part of, as soon as it is known. */
  readonly onTrace?: (traceId: string) => void
}

/** A request of this process. */
export const IN_PROCESS_ORIGIN: Origin = { requestId: null, traceparent: null }

/** What is done for an exchange, one after the other. */
export type ExchangeStep = 'receive' | 'decide' | 'commit' | 'seal'

/** How an exchange ended: answered as accepted or refused, or without a signed answer. */
export interface ExchangeEnd {
  readonly outcome: 'accepted' | 'refused' | 'failed'
  /** Of the error table; null for what was accepted. */
  readonly code: string | null
}

/** Somebody who sees one exchange pass. */
export interface ExchangeSpan {
  /** The trace it is a part of; null where none is kept. */
  readonly traceId: string | null
  /** A step begins, and the one before has ended. */
  step(step: ExchangeStep): void
  end(end: ExchangeEnd): void
}

/** Somebody who sees what an authority does, and changes nothing of it: metrics, traces. */
export interface AuthorityObserver {
  exchange(type: MessageType | 'synchronize', origin: Origin): ExchangeSpan
  /** A transaction ended. @param seconds with the time it waited for the database */
  transaction(seconds: number): void
}

const noopSpan: ExchangeSpan = { traceId: null, step: () => undefined, end: () => undefined }

/** Nobody looks. */
export const noopObserver: AuthorityObserver = {
  exchange: () => noopSpan,
  transaction: () => undefined,
}
