export type { ErrorKind } from './errors/error-entry.ts'
export { type ErrorCode, errorTable, isErrorCode } from './errors/error-table.ts'
export {
  alreadyExists,
  asLicensingError,
  type ErrorDocument,
  LicensingError,
  notFound,
} from './errors/licensing-error.ts'
export { type Resource, resources } from './errors/resources.ts'
