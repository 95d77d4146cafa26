import { createPrivateKey, createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { isLoopbackName, parseHostName } from '../../core/host-name.ts'
import { DAY, type Instant } from '../../core/time.ts'
import { readCertificate } from '../../pki/certificate-cache.ts'
import {
  createSelfSigned,
  type Credential,
  generateKey,
  issueCertificate,
} from '../../pki/certificate-generation.ts'
import { isPermitted, readNameConstraints } from '../../pki/name-constraints.ts'
import { MAX_SERVER_NAMES } from '../../protocol/sync-request.ts'
import { getLocalHostNames } from './ca-certificates.ts'
import type { KeyRing } from './key-ring.ts'
import { forgetServedNames, recordServedNames } from './served-names.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'
import type { LeafCertificates } from './leaf-certificates.ts'
import type { Tx } from '../store/store.ts'

/** Lifetime of the self-signed certificate of a satellite that has no CA yet. */
const PROVISIONAL_LIFETIME = 800 * DAY

const serverNamesSchema = z.array(z.string())

/** The TLS certificate of an authority's servers, and the names of the servers. */
export class ServerCertificates {
  readonly #keyRing: KeyRing
  readonly #leaves: LeafCertificates
  #provisional: Promise<Credential> | undefined

  constructor(keyRing: KeyRing, leaves: LeafCertificates) {
    this.#keyRing = keyRing
    this.#leaves = leaves
  }

  /**
   * Returns the TLS certificate for the names of this machine, the given names, and the names that other processes of the
   * authority serve now. Issues a new certificate if the names change.
   *
   * @returns the certificate, and the names that it does not contain: malformed names, and names that the manager
   * does not permit, and names beyond the maximum. A device rejects a whole certificate that contains such a name
   */
  async getCertificate(
    tx: Tx,
    names: readonly string[],
    at: Instant,
  ): Promise<{ credential: Credential; excludedNames: string[] }> {
    await this.#addRequestedNames(tx, names)
    const own = getLocalHostNames(names)
    const hosts = await recordServedNames(tx, own, at)
    const excess = own.filter((name) => !hosts.includes(name))
    const malformed = names.filter((name) => parseHostName(name) === null)
    if (this.#keyRing.identity.issuingCa === null)
      return { credential: await this.#createProvisional(own, at), excludedNames: malformed }
    const canCertify = (host: string) => this.#canCertify(host)
    return {
      credential: await this.#leaves.getTlsCertificate(
        tx,
        hosts,
        this.#keyRing.getIssuingContext(),
        at,
        canCertify,
      ),
      excludedNames: [
        ...malformed,
        ...excess,
        ...own.filter((host) => !excess.includes(host) && !canCertify(host)),
      ],
    }
  }

  /**
   * Creates a key and a TLS certificate for the names of this machine. Servers load it within a minute, and add their
   * names.
   */
  async rotate(tx: Tx, at: Instant): Promise<void> {
    await removeKeySetting(tx, 'server-names')
    await forgetServedNames(tx)
    const hosts = getLocalHostNames([]).filter((host) => this.#canCertify(host))
    await this.#leaves.issueTlsCertificate(tx, hosts, this.#keyRing.getIssuingContext(), at)
  }

  /**
   * Creates a TLS certificate with the given dates and names, without storing it. Tests of TLS clients need faulty
   * certificates.
   */
  async createForTests(details: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    const privateKey = createPrivateKey(await generateKey())
    const issuing = this.#keyRing.getIssuingContext()
    const { account, authorityId } = issuing
    const name = details.hosts[0] ?? 'localhost'
    const certificate = await issueCertificate(issuing, createPublicKey(privateKey), {
      role: 'tls',
      name,
      account,
      authorityId,
      ...details,
    })
    return { certificates: [certificate, ...issuing.certificates], privateKey }
  }

  /**
   * Returns the names of this authority's servers without loopback names. A manager gives none of its names to a
   * satellite.
   */
  async readNames(tx: Tx): Promise<string[]> {
    const names = new Set([
      ...getLocalHostNames(await this.#leaves.readTlsHosts(tx)),
      ...(await this.readRequestedNames(tx)),
    ])
    return [...names].filter((name) => !isLoopbackName(name))
  }

  /** Returns the names that the servers of this authority were given. A satellite requests them from its manager. */
  async readRequestedNames(tx: Tx): Promise<string[]> {
    return serverNamesSchema.parse(JSON.parse((await readKeySetting(tx, 'server-names')) ?? '[]'))
  }

  async #addRequestedNames(tx: Tx, names: readonly string[]): Promise<void> {
    const before = await this.readRequestedNames(tx)
    const given = names.map(parseHostName).filter((name) => name !== null && !isLoopbackName(name))
    const all = [...new Set([...before, ...given])].slice(0, MAX_SERVER_NAMES)
    if (all.length > before.length) await writeKeySetting(tx, 'server-names', JSON.stringify(all))
  }

  /** Returns true if each certificate of the issuing CA permits a TLS certificate for a name. */
  #canCertify(host: string): boolean {
    return this.#keyRing.issuingCas.every((pem) => {
      const constraints = readNameConstraints(readCertificate(pem))
      return constraints === null || isPermitted(host, constraints)
    })
  }

  /**
   * Creates the self-signed certificate of a satellite without a CA. Administrators use it for registration, devices
   * never do.
   */
  async #createProvisional(hosts: readonly string[], at: Instant): Promise<Credential> {
    const name = hosts[0] ?? 'localhost'
    const dates = { notBefore: at - DAY, notAfter: at + PROVISIONAL_LIFETIME }
    this.#provisional ??= createSelfSigned({ name, hosts, ...dates })
    return this.#provisional
  }
}
