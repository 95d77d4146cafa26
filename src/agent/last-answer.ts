import { type SignedMessage, signedMessageSchema } from '../protocol/messages.ts'
import type { VerifiedAnswer } from './answer-verification.ts'
import type { AgentStore } from './store.ts'

const LAST_ANSWER_KEY = 'last-answer'

/** Maximum length of a stored answer, in characters. A request has room for it. */
const MAX_LENGTH = 100_000

/**
 * Stores an accepted answer as the authority signed it. Called in a transaction. The answer to a registration is none of the
 * product instance, so it only removes the one before.
 */
export function recordLastAnswer(store: AgentStore, { type, decision, signed }: VerifiedAnswer): void {
  if (decision.outcome === 'refused') return
  const isTooLong = signed.payload.length + signed.protected.length > MAX_LENGTH
  if (type === 'register' || isTooLong) store.remove(LAST_ANSWER_KEY)
  else store.write(LAST_ANSWER_KEY, signed)
}

/** Returns the last accepted answer as the authority signed it. Null if none is stored. */
export const readLastAnswer = (store: AgentStore): SignedMessage | null =>
  store.read(LAST_ANSWER_KEY, signedMessageSchema)
