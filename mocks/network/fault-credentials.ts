import { type ConnectionFaultName, createUntrustedCredential } from '../../src/faults/index.ts'
import { DAY } from '../../src/core/time.ts'
import type { Credential } from '../../src/pki/certificate-generation.ts'
import { readMachineTime } from '../machine-time.ts'
import { createInterceptionCredential } from './interception-certificate.ts'

/** Creates a TLS credential of the authority with given dates and names. */
export type CreateAuthorityCredential = (details: {
  readonly notBefore: number
  readonly notAfter: number
  readonly hosts: readonly string[]
}) => Promise<Credential>

export const HOSTS = ['localhost', '127.0.0.1', '::1']

const PORTAL = { CN: ['Public CA R3'], O: ['Public CA'] }

/**
 * Creates the credential that a server presents under a fault. TLS is verified with the machine's clock.
 *
 * @param hosts names and addresses of the authority
 */
export function createFaultCredential(
  fault: ConnectionFaultName,
  create: CreateAuthorityCredential,
  hosts: readonly string[],
): Promise<Credential> {
  const now = readMachineTime()
  switch (fault) {
    case 'tls-expired':
      return create({ notBefore: now - 20 * DAY, notAfter: now - 10 * DAY, hosts })
    case 'tls-not-yet-valid':
      return create({ notBefore: now + 10 * DAY, notAfter: now + 20 * DAY, hosts })
    case 'tls-name-mismatch':
    case 'dns-wrong':
      return create({ notBefore: now - DAY, notAfter: now + DAY, hosts: ['elsewhere.example'] })
    case 'tls-inspected':
      return createInterceptionCredential(now, { hosts })
    case 'tls-captive-portal':
      return createInterceptionCredential(now, { company: [PORTAL], hosts: ['login.hotel.example'] })
    default:
      return createUntrustedCredential('tls', now, { hosts })
  }
}
