/** Trace span of one request of the agent. */
export interface RequestSpan {
  /** Value of the `traceparent` header sent to the authority (W3C Trace Context). Null without a trace. */
  readonly traceparent: string | null
  /** @param code error code of the failure; null for any answer, accepted or refused */
  end(code: string | null): void
}

/** Observer of the requests that the agent sends to its authority. */
export interface AgentObserver {
  /** @param type message type, such as `authorize` */
  request(type: string): RequestSpan
}
