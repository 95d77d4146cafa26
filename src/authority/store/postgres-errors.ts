import { LicensingError } from '../../core/errors.ts'
import { errnoCode } from '../../core/errno-code.ts'
import { toTlsError } from './database-tls.ts'

/** Code of a protocol violation. PgBouncer uses it for each of its own errors, so the text decides. */
const PROTOCOL_VIOLATION = '08P01'

/** Texts of PgBouncer that a retry does not change. */
const POOLER_REFUSALS =
  /unsupported startup parameter|no such (database|user)|does not exist|not allowed|authentication failed/

/** Thrown if the connection was lost during a commit, so that its outcome is not known. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
  /** The transaction's id, for a query of its status (`pg_xact_status`). */
  readonly transaction: string
  constructor(transaction: string, cause: unknown) {
    super('the connection was lost at a commit', { cause })
    this.transaction = transaction
  }
}

/** Thrown if the server did not answer a statement, so that the client ended the connection. */
export class ConnectionSilent extends Error {
  override readonly name = 'ConnectionSilent'
  constructor(cause: unknown) {
    super('the database did not answer on this connection', { cause })
  }
}

/** Thrown if a server takes no writes, with the code that PostgreSQL uses for it. */
export class ServerReadOnly extends Error {
  override readonly name = 'ServerReadOnly'
  readonly code = '25006'
  constructor() {
    super('the server takes no writes')
  }
}

const isPoolerRefusal = (error: Error): boolean =>
  errnoCode(error) === PROTOCOL_VIOLATION && POOLER_REFUSALS.test(error.message)

/** Returns true if the database could not be reached or the connection was lost, so that a retry may succeed. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errnoCode(error)
  return (
    error instanceof ConnectionSilent ||
    // Class 08: connection exceptions. 57P01 to 57P03: shut down, crashed, starting. 25006: a standby, not yet
    // writable. 25P03: the server ended an idle transaction, whose changes it has rolled back.
    (/^(08...|57P0[1-4]|25006|25P03|53300)$/.test(code) && !isPoolerRefusal(error)) ||
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/.test(
      error.message,
    )
  )
}

/** Returns true if the transaction was rolled back because of a concurrent one, so that a retry may succeed. */
export const isConflict = (error: unknown): boolean => /^40(001|P01)$/.test(errnoCode(error))

/** Converts an error of the database. Its message is dropped, because it may contain data. */
export function toDatabaseError(error: unknown): unknown {
  if (error instanceof LicensingError) return error
  const code = errnoCode(error)
  const tlsError = toTlsError(error)
  if (tlsError !== null) return tlsError
  if (error instanceof ConnectionSilent)
    return new LicensingError(
      'DATABASE_UNREACHABLE',
      'The database did not answer in time (the connection is silent).',
    )
  if (isConnectionLoss(error))
    return new LicensingError(
      'DATABASE_UNREACHABLE',
      `The database cannot be reached (${code || 'no connection'}).`,
    )
  if (/^(55P03|57014)$/.test(code))
    return new LicensingError('DATABASE_UNREACHABLE', `The database did not answer in time (${code}).`)
  if (isConflict(error))
    return new LicensingError(
      'DATABASE_UNREACHABLE',
      `The database rolled back each attempt because of concurrent transactions (${code}).`,
    )
  if (code === PROTOCOL_VIOLATION)
    return new LicensingError(
      'DATABASE_REFUSED',
      'A connection pooler before the database refused the database, the user or a start-up parameter of the URL (08P01).',
    )
  if (code === '28000')
    return new LicensingError(
      'DATABASE_REFUSED',
      'The database does not let this user in from this machine, or not with this sslmode (28000).',
      { remedy: 'Add a line to pg_hba.conf at the server, or change sslmode in the database URL.' },
    )
  if (code.startsWith('28') || code === '3D000' || code === '42501')
    return new LicensingError('DATABASE_REFUSED', `The database denied access (${code}).`)
  if (code === '22021')
    return new LicensingError(
      'INVALID_ARGUMENT',
      'A text contains the character U+0000, which cannot be stored.',
    )
  // Class 53: insufficient resources. 58030: the server cannot read or write a file.
  if (code === '53100') return new LicensingError('STORE_FULL', `The database has no space left (${code}).`)
  if (code.startsWith('53') || code === '58030')
    return new LicensingError('DATABASE_UNREACHABLE', `The database cannot work at the moment (${code}).`)
  if (isDatabaseError(error))
    return new LicensingError('INTERNAL', `The database rejected a statement (${code}).`)
  return error
}

/** Returns true for an error that the server reported. The class of the driver is loaded on demand. */
const isDatabaseError = (error: unknown): boolean =>
  error instanceof Error && 'severity' in error && /^[0-9A-Z]{5}$/.test(errnoCode(error))
