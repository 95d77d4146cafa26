/**
 * Category of an error. It decides the exit code and whether the agent retries: after `transport` and `answer`, never
 * after a refusal.
 */
export type ErrorKind = 'usage' | 'refusal' | 'transport' | 'answer' | 'local'

/** Entry of the error table. `docs/errors.md` is generated from the table. */
export interface ErrorEntry {
  readonly kind: ErrorKind
  readonly meaning: string
  readonly remedy: string
}
