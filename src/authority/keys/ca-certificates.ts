import type { KeyObject } from 'node:crypto'
import { hostname } from 'node:os'
import { parseHostName } from '../../core/host-name.ts'
import { DAY, type Instant } from '../../core/time.ts'
import { createRoot, type Issuer, issueCertificate } from '../../pki/certificate-generation.ts'
import type { NameConstraints } from '../../pki/name-constraints.ts'
import { INITIAL_ROOT_VERSION } from './identity.ts'
import { BACKDATE_MS } from '../policy.ts'

const ROOT_LIFETIME = 20 * 365 * DAY
const ISSUING_CA_LIFETIME = 10 * 365 * DAY
/**
 * Lifetime of a satellite's CA, which is longer than the lifetime of the ID certificates that the CA issues. The
 * manager renews the CA when less than two years are left.
 */
const SATELLITE_CA_LIFETIME = 3 * 365 * DAY
export const SATELLITE_CA_RENEWAL_WINDOW = 2 * 365 * DAY

/** The authority that a CA certificate names. */
interface CaOwner {
  readonly id: string
  readonly account: string
}

/** Creates a manager's root certificate and its private key. @param number the root version */
export const createRootCa = ({ id, account }: CaOwner, number: number, at: Instant): Promise<Issuer> =>
  createRoot({
    account,
    authorityId: id,
    // Chains are built by subject names, so two roots of an authority must not have the same name.
    name: `Smart Licensing Root ${id.slice(0, 8)}${number === INITIAL_ROOT_VERSION ? '' : ` ${number}`}`,
    notBefore: at - BACKDATE_MS,
    notAfter: at + ROOT_LIFETIME,
  })

/** Issues a certificate of a manager's own issuing CA, as PEM. */
export const issueIntermediateCa = (
  root: Issuer,
  key: KeyObject,
  { id, account }: CaOwner,
  at: Instant,
): Promise<string> =>
  issueCertificate(root, key, {
    role: 'sub-ca',
    name: `Smart Licensing Issuing CA ${id.slice(0, 8)}`,
    account,
    authorityId: id,
    notBefore: at - BACKDATE_MS,
    notAfter: at + ISSUING_CA_LIFETIME,
  })

/**
 * Issues a certificate of a satellite's CA, as PEM. Its name constraints limit the names of the satellite's servers.
 */
export const issueSatelliteCa = (
  root: Issuer,
  key: KeyObject,
  { id, account, nameConstraints }: CaOwner & { readonly nameConstraints: NameConstraints },
  at: Instant,
): Promise<string> =>
  issueCertificate(root, key, {
    role: 'sub-ca',
    name: `Satellite ${id.slice(0, 8)}`,
    account,
    authorityId: id,
    notBefore: at - BACKDATE_MS,
    notAfter: at - BACKDATE_MS + SATELLITE_CA_LIFETIME,
    nameConstraints,
  })

/** Returns the host names of this machine and the given names, normalized and without duplicates or invalid names. */
export const getLocalHostNames = (names: readonly string[]): string[] => [
  ...new Set(
    ['localhost', '127.0.0.1', '::1', hostname(), ...names]
      .map(parseHostName)
      .filter((name) => name !== null),
  ),
]
