/** Somebody who sees one request of the agent pass. */
export interface RequestSpan {
  /** What goes along to the authority, so that it tells of the same trace (W3C Trace Context); null without. */
  readonly traceparent: string | null
  /** @param code of the failure; null for an answer, whatever it says */
  end(code: string | null): void
}

/** Somebody who sees what the agent asks its authority, and changes nothing of it. */
export interface AgentObserver {
  /** @param type of the message, such as `authorize` */
  request(type: string): RequestSpan
}
