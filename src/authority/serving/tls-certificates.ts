import type { Instant } from '../../core/time.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import { logEvent } from '../events/event-log.ts'
import { findSatellitesCovering } from '../satellites/server-names.ts'
import type { Tx } from '../store/store.ts'
import { getCurrentTicketKey } from './tls-session-ticket-keys.ts'

/** TLS certificate and session ticket key of a server. */
export interface TlsIdentity {
  readonly credential: Credential
  /** The requested names that the certificate does not have. */
  readonly excludedNames: readonly string[]
  /** The session ticket key of the day. */
  readonly tickets: Buffer
}

/** Provides a server with its TLS certificate, renewed when due. */
export interface TlsProvider {
  provide(names: readonly string[]): Promise<TlsIdentity>
}

/** TLS certificates of an authority's own CA. */
export class TlsCertificates implements TlsProvider {
  readonly #context: AuthorityContext
  /** The names of this process at the last check for conflicts with satellites. */
  #checkedNames: string | null = null

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  provide(names: readonly string[]): Promise<TlsIdentity> {
    const { credentials } = this.#context
    return this.#context.withMaintenance(async (tx, at) => {
      const { credential, excludedNames } = await credentials.servers.getCertificate(tx, names, at)
      await this.#reportNameConflicts(tx, names, at)
      return { credential, excludedNames, tickets: await getCurrentTicketKey(tx, credentials.secrets, at) }
    })
  }

  /**
   * Logs an event for each satellite whose CA still permits a name of the manager, so that an administrator can change
   * it.
   */
  async #reportNameConflicts(tx: Tx, names: readonly string[], at: Instant): Promise<void> {
    const { credentials } = this.#context
    const served = names.join()
    if (credentials.keyRing.identity.role !== 'manager' || served === this.#checkedNames) return
    this.#checkedNames = served
    for (const { satellite, accountId, name } of await findSatellitesCovering(
      tx,
      await credentials.servers.readNames(tx),
    )) {
      const message = `${satellite}: its CA permits ${name}, which is now a name of this manager. Set other names with \`satellite configure ${satellite} --tls-name\`. The permission ends with the current CA of the satellite.`
      await logEvent(tx, { at, type: 'TLS_NAME_OF_SATELLITE', severity: 'major', accountId, message })
    }
  }
}
