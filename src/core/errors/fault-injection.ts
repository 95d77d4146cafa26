import type { ErrorEntry } from './error-entry.ts'

/** Errors of deliberate faults, and of the API that sets them. */
export const faultInjectionErrors = {
  CHAOS_INVALID: {
    kind: 'usage',
    meaning: 'The value of --chaos is not a list of faults.',
    remedy: "Give names of the fault catalog, as in --chaos 'delay=200ms,error503=0.1'.",
  },
  CHAOS_NOT_ALLOWED: {
    kind: 'refusal',
    meaning:
      'Faults can be injected only into an authority that was created with `init --allow-fault-injection`.',
    remedy:
      'Create one for tests with `smart-authority init --allow-fault-injection`. Its devices show that it is one.',
  },
  MANAGEMENT_UNAUTHORIZED: {
    kind: 'refusal',
    meaning: 'The request to the fault API has no valid bearer token.',
    remedy: 'Send `Authorization: Bearer …` with the content of the file that `serve` names.',
  },
} as const satisfies Record<string, ErrorEntry>
