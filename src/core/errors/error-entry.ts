/**
 * Category of an error. It decides the exit code, and whether the agent tries again: after `transport` and `answer`,
 * never after a refusal.
 */
export type ErrorKind = 'usage' | 'refusal' | 'transport' | 'answer' | 'local'

/** Entry of the error table: what failed, and what to do. `docs/errors.md` is generated from it. */
export interface ErrorEntry {
  readonly kind: ErrorKind
  readonly meaning: string
  readonly remedy: string
}
