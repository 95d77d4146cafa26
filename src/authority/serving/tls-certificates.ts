import type { Instant } from '../../core/time.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import { logEvent } from '../events/event-log.ts'
import { findSatellitesCovering } from '../satellites/server-names.ts'
import type { Tx } from '../store/store.ts'
import { getCurrentTicketKey } from './tls-session-ticket-keys.ts'

/** What a server presents to its clients. */
export interface TlsIdentity {
  readonly credential: Credential
  /** The names that the certificate is not for. */
  readonly excludedNames: readonly string[]
  /** The key of the day for session tickets. */
  readonly tickets: Buffer
}

/** Gives a server its TLS certificate, renewed when that is due. */
export interface TlsProvider {
  provide(names: readonly string[]): Promise<TlsIdentity>
}

/** The TLS certificates of an authority's own CA. */
export class TlsCertificates implements TlsProvider {
  readonly #context: AuthorityContext
  /** The names that this process was served under when it last looked for satellites with names of its own. */
  #checkedNames: string | null = null

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  provide(names: readonly string[]): Promise<TlsIdentity> {
    const { credentials } = this.#context
    return this.#context.withMaintenance(async (tx, at) => {
      const { credential, excludedNames } = await credentials.servers.certificate(tx, names, at)
      await this.#reportNameConflicts(tx, names, at)
      return { credential, excludedNames, tickets: await getCurrentTicketKey(tx, credentials.secrets, at) }
    })
  }

  /** A satellite that was certified before a name was the manager's can still show it: an event says so, for people to end it. */
  async #reportNameConflicts(tx: Tx, names: readonly string[], at: Instant): Promise<void> {
    const { credentials } = this.#context
    const served = names.join()
    if (credentials.keyRing.identity.role !== 'manager' || served === this.#checkedNames) return
    this.#checkedNames = served
    for (const { satellite, accountId, name } of await findSatellitesCovering(
      tx,
      await credentials.servers.names(tx),
    )) {
      const message = `${satellite}: its certificates may be for ${name}, which is a name of this manager now. \`satellite configure ${satellite} --tls-name\` gives it others; what it was given before ends with its CA.`
      await logEvent(tx, { at, type: 'TLS_NAME_OF_SATELLITE', severity: 'major', accountId, message })
    }
  }
}
