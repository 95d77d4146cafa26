import { LicensingError } from '../core/errors.ts'

const reasons: Readonly<Record<number, readonly [message: string, remedy: string]>> = {
  404: ['No resource has this path and method.', 'Check the path and the method.'],
  413: ['The request is too large.', 'Send a smaller request.'],
  415: ['The content type of the request is not JSON.', 'Send JSON, with the content type application/json.'],
  431: ['The headers of the request are too large.', 'Send fewer or shorter headers.'],
}

/** Creates the error of a malformed request from the HTTP status of its answer. */
export function malformedRequestError(status: number): LicensingError {
  const [message, remedy] = reasons[status] ?? [
    'The request cannot be read.',
    'Check the request against the protocol, or update the program that sent it.',
  ]
  return new LicensingError('REQUEST_MALFORMED', message, { remedy })
}
