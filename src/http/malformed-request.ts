import { LicensingError } from '../core/errors.ts'

const reasons: Readonly<Record<number, readonly [message: string, remedy: string]>> = {
  404: ['There is nothing at this address.', 'See that the address and the method are right.'],
  413: ['The request is larger than is taken here.', 'Send less at a time.'],
  415: ['The request does not say that it is JSON.', 'Send JSON, with the content type application/json.'],
  431: ['The headers of the request are larger than is taken here.', 'Send fewer headers, or shorter ones.'],
}

/** Creates the error of a malformed request from the HTTP status of its answer. */
export function malformedRequestError(status: number): LicensingError {
  const [message, remedy] = reasons[status] ?? [
    'The request cannot be read.',
    'See that it is what the protocol says; update the program that sent it.',
  ]
  return new LicensingError('REQUEST_MALFORMED', message, { remedy })
}
