/** Invariants of every simulation, with their meaning. `docs/simulation.md` repeats this table. */
export const invariants = {
  'deadline-kept': 'A device is authorized no longer than the authority allowed.',
  'evaluation-spent-once':
    'The remaining evaluation time never increases, except when the product is upgraded to a higher major version.',
  'evaluation-charged-fairly': 'No more evaluation time is charged than the device was on.',
  'own-answer': 'A device accepts only the answer to its own request.',
  'usage-remembered':
    'The usage that the product declared is the usage that the device has recorded, whatever fails.',
  'notified-is-durable': 'Every event that listeners were notified of is in the history after every crash.',
  'transitions-valid': 'Every state was reached from the previous state by a transition of the machine.',
  'chart-elsewhere':
    'The exported state machine, run by XState itself, takes the same transition for every event.',
  'state-readable': 'The data directory can be opened after every crash.',
  'pool-sum': 'The usage of a pool is the sum of the usage of its product instances.',
  'no-double-instance': 'A device has one product instance at most.',
  'answered-once': 'A repeated request never gets a different accepted answer.',
  'no-false-clone': 'A device that was never copied is never treated as a copy.',
  'reserved-is-owned': 'Only available licenses are reserved.',
  'secrets-kept': 'No token, key or code appears in a log, an error, an event or a status.',
  'recovers-within-bound': 'A device that can reach its authority recovers within its bound.',
  'nothing-lost': 'When every device has returned its licenses, every license is available.',
  'errors-closed': 'Every failure has a documented error code, and none is INTERNAL.',
  terminates: 'A simulation ends: nothing retries without a delay.',
} as const

export type Invariant = keyof typeof invariants

/** Formats a thrown value with its stack. */
export const formatErrorWithStack = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

/** Error that reports a violated invariant. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: Invariant
  constructor(invariant: Invariant, message: string) {
    super(message)
    this.invariant = invariant
  }
}
