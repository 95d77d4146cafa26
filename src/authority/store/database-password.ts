import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { LicensingError } from '../../core/errors.ts'

/** Connection that a line of a password file must match. */
export interface PasswordSubject {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/**
 * Returns the password of a database where libpq looks for it: the URL, `PGPASSWORD`, and the password file. It is read for
 * each connection, so that a changed password needs no restart.
 *
 * @throws LicensingError DATABASE_REFUSED if there is none
 */
export function findDatabasePassword(given: string | undefined, subject: PasswordSubject): string {
  const password = given ?? process.env.PGPASSWORD ?? readPasswordFile(subject)
  if (password !== undefined) return password
  throw new LicensingError('DATABASE_REFUSED', 'The database asks for a password, and none is given.', {
    remedy: 'Set PGPASSWORD, add a line to ~/.pgpass (mode 0600), or put the password into the database URL.',
  })
}

/** Returns the first match in the password file (PostgreSQL documentation, The Password File). */
function readPasswordFile(subject: PasswordSubject): string | undefined {
  const path = process.env.PGPASSFILE ?? join(homedir(), '.pgpass')
  let lines: string[]
  try {
    // As libpq, ignores a file that other users can read.
    if ((statSync(path).mode & 0o077) !== 0) return undefined
    lines = readFileSync(path, 'utf8').split(/\r?\n/)
  } catch {
    return undefined
  }
  const { host, port, database, user } = subject
  const isSocket = host.startsWith('/')
  const wanted = [isSocket ? 'localhost' : host, String(port), database, user]
  for (const line of lines) {
    if (line.startsWith('#')) continue
    // A backslash escapes a colon or a backslash.
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = '']) =>
      field.replace(/\\(.)/g, '$1'),
    )
    if (fields.length < 5) continue
    if (wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) return fields[4]
  }
  return undefined
}
