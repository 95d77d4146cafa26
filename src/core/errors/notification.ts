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
    remedy: 'Check the mail settings with `mail show`. A running server retries automatically.',
  },
  RECIPIENT_REFUSED: {
    kind: 'local',
    meaning: 'E-mail about a smart account is sent only to addresses in the domain of the account.',
    remedy: 'Give an address in the domain of the smart account or in one of its subdomains.',
  },
  WEBHOOK_URL_REFUSED: {
    kind: 'local',
    meaning: 'A webhook cannot be sent to that URL.',
    remedy: 'Give an https URL without user name and password. An http URL is allowed only for this machine.',
  },
  WEBHOOK_NOT_DELIVERED: {
    kind: 'local',
    meaning: 'The receiver of a webhook did not accept the delivery.',
    remedy:
      'Check the receiver. The authority retries automatically. After the last attempt use `webhook retry`.',
  },
  ADDRESS_FORBIDDEN: {
    kind: 'local',
    meaning:
      'The host name of a receiver or a mail server resolves to a forbidden address, such as a link-local one.',
    remedy: 'Use a host name with an allowed address.',
  },
} as const satisfies Record<string, ErrorEntry>
