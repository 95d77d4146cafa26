import { z } from 'zod'
import { type ErrorCode, errorTable, type LicensingError } from '../core/errors.ts'

const text = z.string()

/**
 * Schemas of the error bodies of Cisco's API. The older families have `statusMessage`. Parts of the newer family have one
 * of the next three. `OAuth` (RFC 6749 §5.2) is for access tokens.
 */
export const errorBodies = {
  statusMessage: z.object({ status: z.literal('ERROR'), statusMessage: text }),
  localized: z.object({ status: z.literal('FAILED'), localized_message: text, message: text }),
  failureMessage: z.object({ status: z.literal('FAILURE'), message: text }),
  localizedWithCode: z.object({
    status: z.literal('FAILED'),
    localized_message: text,
    message: text,
    message_code: text,
  }),
  enterpriseAgreement: z.object({ code: text, message: text, severity: text }),
  OAuth: z.object({ error: text, error_description: text }),
}
export type ErrorFormat = keyof typeof errorBodies

/** Returns true for a status without a body in Cisco's API. */
export const hasEmptyBody = (status: number): boolean =>
  status === 401 || status === 403 || status === 404 || status >= 500

/** Remedies for API clients, where the error table names commands and their options. */
const API_REMEDIES: Partial<Record<ErrorCode, string>> = {
  TRANSFER_UNAVAILABLE: 'Transfer fewer.',
  TRANSFER_UNCONFIRMED: 'Transfer fewer, or order more first.',
  RETURN_CODE_REQUIRED: 'Create the return code on the device, and send it as returnCode.',
}

/** Formats the message and the remedy of an error as one text. */
export function formatErrorText(error: LicensingError): string {
  const { code, message, remedy } = error.toJSON()
  if (code === 'NOT_FOUND') return message
  return `${message} ${(remedy === errorTable[code].remedy ? API_REMEDIES[code] : undefined) ?? remedy}`.trim()
}

export function toErrorBody(format: ErrorFormat, failure: LicensingError): object {
  const { code } = failure
  const errorText = formatErrorText(failure)
  switch (format) {
    case 'statusMessage':
      return { status: 'ERROR', statusMessage: errorText }
    case 'localized':
      return { status: 'FAILED', localized_message: errorText, message: errorText }
    case 'failureMessage':
      return { status: 'FAILURE', message: errorText }
    case 'localizedWithCode':
      return { status: 'FAILED', localized_message: errorText, message: errorText, message_code: code }
    case 'enterpriseAgreement':
      return { code, message: errorText, severity: 'ERROR' }
    case 'OAuth':
      return {
        error: code === 'TOO_MANY_REQUESTS' ? 'temporarily_unavailable' : 'invalid_request',
        error_description: errorText,
      }
  }
}
