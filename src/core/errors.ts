export type { ErrorKind } from './errors/error-entry.ts'
export { type ErrorCode, errorTable, isErrorCode } from './errors/error-table.ts'
export {
  alreadyExistsError,
  toLicensingError,
  type ErrorDocument,
  LicensingError,
  notFoundError,
} from './errors/licensing-error.ts'
export { libraryRemedies } from './errors/library-remedies.ts'
export { type Resource, resources } from './errors/resources.ts'
