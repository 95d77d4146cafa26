import type { ErrorEntry } from './error-entry.ts'

/** Errors of signed files that are transferred offline. */
export const signedFileErrors = {
  SIGNED_FILE_MALFORMED: {
    kind: 'refusal',
    meaning: 'The file is not of the expected type.',
    remedy: 'Choose the file that the other program wrote, and transfer it unchanged.',
  },
  SIGNED_FILE_TRUNCATED: {
    kind: 'refusal',
    meaning: 'The end of the file is missing.',
    remedy: 'Transfer the whole file again, to its last line.',
  },
  SIGNED_FILE_ALTERED: {
    kind: 'refusal',
    meaning: 'The text of the file differs from the text that was signed.',
    remedy: 'Transfer the file again as it was written, without editing it.',
  },
  SIGNED_FILE_UNTRUSTED: {
    kind: 'refusal',
    meaning: 'The signer of the file is not trusted by this device.',
    remedy:
      'Check which authority wrote the file. Compare its root certificate with `smart-agent trust show`.',
  },
  SIGNED_FILE_SIGNER_EXPIRED: {
    kind: 'refusal',
    meaning: 'The certificate that signed the file is not valid at the current time of this device.',
    remedy:
      'Check the clock of the device. If the file is months old, write it again at the authority with `reservation show INSTANCE --out FILE`.',
  },
} as const satisfies Record<string, ErrorEntry>
