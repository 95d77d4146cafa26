import { type ErrorCode, type LicensingError } from '../domain/errors.ts'

/**
 * The forms in which the field's API words what it refuses: E1 in the older families, E3 to E5 in parts of the newer one,
 * `EA` where enterprise agreements are asked for; `OAuth` (RFC 6749 §5.2) where access tokens are.
 */
export type EnvelopeForm = 'E1' | 'E3' | 'E4' | 'E5' | 'EA' | 'OAuth'

const statuses: Partial<Record<ErrorCode, number>> = {
  SIGN_IN_REQUIRED: 401,
  PERMISSION_DENIED: 403,
  ACCOUNT_UNKNOWN: 404,
  VIRTUAL_ACCOUNT_UNKNOWN: 404,
  INVALID_ARGUMENT: 400,
  REQUEST_MALFORMED: 400,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  // What clients try again, unlike 500.
  AUTHORITY_BUSY: 503,
  DATABASE_UNREACHABLE: 503,
}

/** 400 for what is not of its form, 422 for what is refused. */
export const statusOf = ({ code }: LicensingError): number =>
  statuses[code] ?? (/^(STORE|DATABASE)_/.test(code) ? 500 : 422)

/** What is answered without a body, as the field's own: clients find nothing to read there. */
export const isWordless = (status: number): boolean =>
  status === 401 || status === 403 || status === 404 || status >= 500

/** A refusal in the words of an envelope. */
export function envelopeOf(form: EnvelopeForm, { code, message, remedy }: LicensingError): object {
  const words = remedy === '' ? message : `${message} ${remedy}`
  switch (form) {
    case 'E1':
      return { status: 'ERROR', statusMessage: words }
    case 'E3':
      return { status: 'FAILED', localized_message: words, message: words }
    case 'E4':
      return { status: 'FAILURE', message: words }
    case 'E5':
      return { status: 'FAILED', localized_message: words, message: words, message_code: code }
    case 'EA':
      return { code, message: words, severity: 'ERROR' }
    case 'OAuth':
      return {
        error: code === 'TOO_MANY_REQUESTS' ? 'temporarily_unavailable' : 'invalid_request',
        error_description: words,
      }
  }
}
