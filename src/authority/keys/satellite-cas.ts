import type { KeyObject, X509Certificate } from 'node:crypto'
import type { Instant } from '../../core/time.ts'
import { parseCertificates } from '../../pki/chain-validation.ts'
import { type NameConstraints, readNameConstraints } from '../../pki/name-constraints.ts'
import { issueSatelliteCa, SATELLITE_CA_RENEWAL_WINDOW } from './ca-certificates.ts'
import type { KeyRing } from './key-ring.ts'
import type { RootKey } from './root-key.ts'

/** The CAs of satellites, which a manager's root certifies. */
export class SatelliteCas {
  readonly #keyRing: KeyRing
  readonly #rootKey: RootKey

  constructor(keyRing: KeyRing, rootKey: RootKey) {
    this.#keyRing = keyRing
    this.#rootKey = rootKey
  }

  /**
   * Returns the certificates of a satellite's CA. The current certificates stay while they are valid and permit
   * the wanted names. Otherwise the root issues a new certificate.
   *
   * @param key the CA's public key
   * @param satellite.present the current certificates as concatenated PEM, or null
   * @returns the certificates, and the names that they permit. If only the names change, and the root's key is absent
   * or the root is being replaced, the former names stay
   * @throws LicensingError ROOT_KEY_ABSENT
   */
  async issue(
    key: KeyObject,
    satellite: { id: string; account: string; present: string | null; nameConstraints: NameConstraints },
    at: Instant,
  ): Promise<{ pem: string; names: readonly string[] }> {
    const { present, nameConstraints } = satellite
    const usable = present === null ? [] : this.#findUsable(parseCertificates(present), key, at)
    const names = usable.map((certificate) => readNameConstraints(certificate)?.permitted ?? [])
    const [first = []] = names
    const kept = { pem: usable.map((certificate) => certificate.toString()).join(''), names: first }
    if (usable.length > 0) {
      const hasWantedNames = names.every((each) => haveSameNames(each, nameConstraints.permitted))
      // While two roots overlap, a device may trust either of them, so a certificate under one is not enough.
      if (hasWantedNames || !this.#rootKey.isAvailable || this.#keyRing.identity.trust.until !== null)
        return kept
    }
    return {
      pem: await issueSatelliteCa(this.#rootKey.getIssuer(), key, satellite, at),
      names: nameConstraints.permitted,
    }
  }

  /** Returns the certificates under the trusted roots, or none if all of them have less than two years left. */
  #findUsable(certificates: readonly X509Certificate[], key: KeyObject, at: Instant): X509Certificate[] {
    const trusted = certificates.filter(
      (certificate) =>
        certificate.publicKey.equals(key) &&
        this.#keyRing.roots.some(
          (root) => certificate.checkIssued(root) && certificate.verify(root.publicKey),
        ),
    )
    const isLasting = trusted.some(({ validTo }) => Date.parse(validTo) > at + SATELLITE_CA_RENEWAL_WINDOW)
    return isLasting ? trusted : []
  }
}

const haveSameNames = (one: readonly string[], other: readonly string[]): boolean =>
  new Set(one).size === new Set(other).size && one.every((name) => other.includes(name))
