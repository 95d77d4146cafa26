import type { ErrorCode, LicensingError, Resource } from '../core/errors.ts'

/** HTTP statuses of the error codes that determine the status alone. */
const ERROR_STATUS: Partial<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  REQUEST_MALFORMED: 400,
  SIGN_IN_REQUIRED: 401,
  SIGN_IN_FAILED: 401,
  PERMISSION_DENIED: 403,
  PASSWORD_CHANGE_REQUIRED: 403,
  SESSION_TOKEN_INVALID: 403,
  ORIGIN_REFUSED: 403,
  HOST_REFUSED: 421,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  // Clients retry after 503, but not after 500.
  AUTHORITY_BUSY: 503,
  DATABASE_UNREACHABLE: 503,
}

/** Resources that contain others. A request that names a missing one gets 404, as for a missing path. */
const ACCOUNT_RESOURCES: readonly (Resource | undefined)[] = ['smart-account', 'virtual-account']

/** Returns the HTTP status of an error. @param refused status of all other refusals */
export function toErrorStatus({ code, resource }: LicensingError, refused: 400 | 409 | 422): number {
  if (code === 'NOT_FOUND' && ACCOUNT_RESOURCES.includes(resource)) return 404
  return ERROR_STATUS[code] ?? (/^(STORE|DATABASE)_/.test(code) ? 500 : refused)
}
