import type { ErrorEntry } from './error-entry.ts'

/** Errors of e-mail and webhooks. */
export const notificationErrors = {
  MAIL_NOT_CONFIGURED: {
    kind: 'local',
    meaning: 'No mail transport is configured.',
    remedy: 'Set one with `mail folder` or `mail smtp`.',
  },
  MAIL_NOT_SENT: {
    kind: 'local',
    meaning: 'An e-mail could not be sent.',
    remedy: 'Check the mail settings with `mail show`. The authority tries again while it is served.',
  },
  RECIPIENT_REFUSED: {
    kind: 'local',
    meaning: 'E-mail about a smart account is sent only to addresses of its own domain.',
    remedy: 'Give an address in the domain of the smart account, or in a domain below it.',
  },
  WEBHOOK_URL_REFUSED: {
    kind: 'local',
    meaning: 'A webhook cannot be sent to that URL.',
    remedy: 'Give an https URL without user name and password; http is allowed for this machine alone.',
  },
  WEBHOOK_NOT_DELIVERED: {
    kind: 'local',
    meaning: 'The receiver of a webhook did not accept the delivery.',
    remedy: 'Check the receiver. The authority tries again; after the last attempt use `webhook retry`.',
  },
  ADDRESS_FORBIDDEN: {
    kind: 'local',
    meaning: 'The name of a receiver resolves to an address that is never used: link-local, or unspecified.',
    remedy: 'Give the webhook the name of a machine that may receive it.',
  },
} as const satisfies Record<string, ErrorEntry>
