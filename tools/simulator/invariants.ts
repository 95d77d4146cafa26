/** What must be so at every moment of every history, by name: what each means stands in `docs/simulation.md`. */
export const invariants = {
  'deadline-kept': 'A box is authorized no longer than the authority said.',
  'evaluation-spent-once':
    'No second of the evaluation is credited twice: what is left only becomes less, but when the product opens with another major version.',
  'evaluation-charged-fairly': 'No more of the evaluation is used up than the box was on.',
  'own-answer': 'A box believes no answer but the one to its own request.',
  'usage-remembered':
    'What the product said it uses is what the box knows to be in use, whatever happens to the box.',
  'notified-is-durable': 'What a box has told its listeners is in its history after every crash.',
  'transitions-valid': 'Every state was reached by a transition of the chart from the state before.',
  'state-readable': 'What is on disk can be opened after every crash.',
  'pool-sum': 'What a pool counts as in use is the sum of what its product instances use.',
  'no-double-instance': 'A box is one product instance at most.',
  'answered-once': 'The same request is never granted differently when it comes again.',
  'no-false-clone': 'A box that was never copied is never taken for a copy.',
  'reserved-is-owned': 'No license is reserved that was not free.',
  'secrets-kept': 'No token, key or code is in a log, an error, an event or a status.',
  'recovers-within-bound': 'A box that can reach its authority is right again within its bound.',
  'nothing-lost': 'When every box has given back what it had, every license is free.',
  'errors-closed': 'Nothing fails but by an error of the table, and none of them is INTERNAL.',
  terminates: 'A history comes to its end: nothing is tried without a pause.',
} as const

export type Invariant = keyof typeof invariants

/** What was thrown, with where it comes from. */
export const formatErrorWithStack = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

/** A history in which something was not so. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: Invariant
  constructor(invariant: Invariant, message: string) {
    super(message)
    this.invariant = invariant
  }
}
