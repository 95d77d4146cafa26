import type { ErrorEntry } from './error-entry.ts'

/** Errors of fault injection and its API. */
export const faultInjectionErrors = {
  CHAOS_INVALID: {
    kind: 'usage',
    meaning: 'The value of --chaos is not a list of faults.',
    remedy: "Give names from the fault catalog, such as --chaos 'delay=200ms,error503=0.1'.",
  },
  CHAOS_NOT_ALLOWED: {
    kind: 'refusal',
    meaning:
      'Faults can be injected only into an authority that was created with `init --allow-fault-injection`.',
    remedy:
      'Create a test authority with `smart-authority init --allow-fault-injection`. Its devices show a test-mode warning.',
  },
  FAULT_API_UNAUTHORIZED: {
    kind: 'refusal',
    meaning: 'The request to the fault API has no valid bearer token.',
    remedy: 'Send `Authorization: Bearer …` with the content of the file that `serve` names.',
  },
} as const satisfies Record<string, ErrorEntry>
