import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { LicensingError } from '../../core/errors.ts'
import { errnoCode } from '../../core/errno-code.ts'
import type { DatabaseAddress, SslMode } from './database-url.ts'

/** TLS of one attempt at a connection, or false for none. */
export type AttemptTls = ConnectionOptions | false

/** Errors of OpenSSL for a certificate chain that does not end at a trusted root. */
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*|CERT_UNTRUSTED)$/

/**
 * Returns the attempts that a mode of libpq makes, in their order (PostgreSQL documentation, SSL Mode Descriptions). A
 * server that has no TLS refuses the first attempt of `prefer`, which is the default.
 *
 * @throws LicensingError DATABASE_TLS_FAILED if a file cannot be read
 */
export function listTlsAttempts(address: DatabaseAddress): readonly AttemptTls[] {
  const mode = address.sslMode ?? parseMode(process.env.PGSSLMODE) ?? 'prefer'
  if (mode === 'disable') return [false]
  const options = createTlsOptions(address, mode)
  if (mode === 'allow') return [false, options]
  return mode === 'prefer' ? [options, false] : [options]
}

const parseMode = (text: string | undefined): SslMode | undefined =>
  (['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const).find(
    (mode) => mode === text,
  )

function createTlsOptions(address: DatabaseAddress, mode: SslMode): ConnectionOptions {
  const file = address.sslRootCert ?? process.env.PGSSLROOTCERT ?? findUserFile('root.crt')
  const root = file === 'system' ? undefined : file
  const cert = address.sslCert ?? process.env.PGSSLCERT
  const key = address.sslKey ?? process.env.PGSSLKEY
  // With a root certificate, `require` verifies the chain too.
  const verifiesChain = mode.startsWith('verify') || (mode === 'require' && file !== undefined)
  // Anybody gets a certificate of a public root, so that its name counts.
  const verifiesName = mode === 'verify-full' || root === undefined
  return {
    rejectUnauthorized: verifiesChain,
    ...(verifiesChain && root !== undefined && { ca: readTlsFile('sslrootcert', root) }),
    ...(!(verifiesChain && verifiesName) && { checkServerIdentity: () => undefined }),
    ...(cert !== undefined && { cert: readTlsFile('sslcert', cert) }),
    ...(key !== undefined && { key: readTlsFile('sslkey', key) }),
  }
}

function findUserFile(name: string): string | undefined {
  const path = join(homedir(), '.postgresql', name)
  return existsSync(path) ? path : undefined
}

function readTlsFile(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new LicensingError(
      'DATABASE_TLS_FAILED',
      `The file ${path} of the parameter ${parameter} cannot be read (${errnoCode(error)}).`,
      { remedy: `Correct ${parameter} in the database URL, or make the file readable for this user.` },
    )
  }
}

/** Returns true if a server answered that it has no TLS. */
export const isTlsAbsent = (error: unknown): boolean =>
  error instanceof Error && error.message === 'The server does not support SSL connections'

/** Converts an error of TLS with the database. @returns null for another error */
export function toTlsError(error: unknown): LicensingError | null {
  const code = errnoCode(error)
  if (isTlsAbsent(error))
    return tlsError(
      'The database server does not offer TLS.',
      'Enable TLS at the server, or use sslmode=disable.',
    )
  if (UNTRUSTED.test(code))
    return tlsError(
      `The certificate of the database server is not signed by a trusted root (${code}).`,
      'Name the root certificate with sslrootcert=FILE in the database URL.',
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return tlsError(
      'The certificate of the database server is for another host name.',
      'Use a host name of the certificate, or sslmode=verify-ca.',
    )
  if (/^(CERT_|ERR_SSL_|ERR_TLS_|EPROTO|ERR_OSSL_)/.test(code))
    return tlsError(
      `TLS with the database server failed (${code}).`,
      'Check the certificates of the server and of sslrootcert, sslcert and sslkey.',
    )
  return null
}

const tlsError = (message: string, remedy: string) =>
  new LicensingError('DATABASE_TLS_FAILED', message, { remedy })
