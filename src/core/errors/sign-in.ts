import type { ErrorEntry } from './error-entry.ts'

/** Refusals of the web consoles and of the REST API for their callers. */
export const signInErrors = {
  SIGN_IN_REQUIRED: {
    kind: 'refusal',
    meaning: 'No user is signed in, or the session has ended.',
    remedy: 'Sign in.',
  },
  SIGN_IN_FAILED: {
    kind: 'refusal',
    meaning: 'The user name or the password is wrong.',
    remedy: 'Try again, or ask an administrator for a new one-time password.',
  },
  TOO_MANY_REQUESTS: {
    kind: 'refusal',
    meaning: 'Too many requests were sent from this address in a short time.',
    remedy: 'Wait a minute and try again.',
  },
  PASSWORD_CHANGE_REQUIRED: {
    kind: 'refusal',
    meaning: 'The one-time password was used, and no new password has been set.',
    remedy: 'Set a new password first.',
  },
  PASSWORD_WEAK: {
    kind: 'refusal',
    meaning: 'The password is too easy to guess.',
    remedy: 'Choose a password of at least 12 characters that is neither your name nor a common password.',
  },
  PERMISSION_DENIED: {
    kind: 'refusal',
    meaning: 'The role of this user does not allow the action.',
    remedy: 'Ask an administrator to perform the action, or to change your role.',
  },
  SESSION_TOKEN_INVALID: {
    kind: 'refusal',
    meaning: 'The request does not contain the token of its session.',
    remedy: 'Sign in again on the page itself.',
  },
  ORIGIN_REFUSED: {
    kind: 'refusal',
    meaning: 'The request came from a page of another site.',
    remedy: 'Use the page of this server itself.',
  },
  HOST_REFUSED: {
    kind: 'refusal',
    meaning: 'The request is for a host name that this server does not serve.',
    remedy:
      'Use a host name that the server was started with, or add this name with --name (for metrics, --metrics-host).',
  },
  API_NOT_SERVED: {
    kind: 'refusal',
    meaning: 'This authority does not support this call of the REST API.',
    remedy: 'See the REST API guide for the supported calls.',
  },
  LAST_ADMINISTRATOR: {
    kind: 'refusal',
    meaning: 'The last administrator cannot be removed or demoted.',
    remedy: 'Add another administrator first.',
  },
} as const satisfies Record<string, ErrorEntry>
