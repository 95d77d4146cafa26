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
/** A satellite's CA outlives the identities it issues (trust §7): it is renewed while it has two years left. */
const SATELLITE_CA_LIFETIME = 3 * 365 * DAY
export const SATELLITE_CA_RENEWAL_WINDOW = 2 * 365 * DAY

/** Whom the certificates of an authority are for. */
interface CaOwner {
  readonly id: string
  readonly account: string
}

/** A root of a manager, by the number of the bundle that tells of it: nobody has its key yet. */
export const createRootCa = ({ id, account }: CaOwner, number: number, at: Instant): Promise<Issuer> =>
  createRoot({
    account,
    authorityId: id,
    // Two roots of an authority must not have one name: a chain is built by names.
    name: `Smart Licensing Root ${id.slice(0, 8)}${number === INITIAL_ROOT_VERSION ? '' : ` ${number}`}`,
    notBefore: at - BACKDATE_MS,
    notAfter: at + ROOT_LIFETIME,
  })

/** A certificate of a manager's own issuing CA: PEM. */
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

/** A certificate of a satellite's CA by a root: PEM. Its servers are for the names it is constrained to, and no others. */
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

/** The names of this machine, and further ones: each once, in its one spelling. What is no name is left out. */
export const getLocalHostNames = (names: readonly string[]): string[] => [
  ...new Set(
    ['localhost', '127.0.0.1', '::1', hostname(), ...names]
      .map(parseHostName)
      .filter((name) => name !== null),
  ),
]
