import type { AccountContext } from '../context/account-context.ts'
import { LicensingError } from '../../core/errors.ts'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { TimeFloor } from '../store/time-floor.ts'
import { type AuthorityContext, requireRole, type AccountSelector } from '../context/authority-context.ts'
import {
  addSatellite,
  addSatelliteVirtualAccount,
  configureSatellite,
  createEnrollmentCode,
  listSatellites,
  removeSatellite,
  type SatelliteDocument,
  type SatelliteTerms,
} from './satellites.ts'
import { createRefusal, respondToSync } from './sync-exchange.ts'
import { verifySyncRequest } from './sync-request-checks.ts'
import { type SyncResponse } from './sync-answers.ts'
import { MAX_FIRST_REQUEST_BYTES } from '../../protocol/sync.ts'
import { withSavepoint } from '../store/store.ts'

/** The satellites of a manager: added, listed, answered, removed (R-SAT-1 to R-SAT-4, R-ACC-5). */
export class SatelliteService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Adds a satellite.
   *
   * @param wanted.tlsNames the names that its TLS certificates may have. The default is the names that it requests
   * @returns the satellite, and the enrollment code for its first online exchange
   * @throws LicensingError ALREADY_EXISTS, VIRTUAL_ACCOUNT_*, INVALID_ARGUMENT, TLS_NAME_OF_MANAGER, WRONG_ROLE
   */
  add(
    name: string,
    wanted: AccountSelector & {
      virtualAccount: string
      terms?: Partial<SatelliteTerms>
      tlsNames?: readonly string[] | null
    },
  ): Promise<SatelliteDocument & { code: string }> {
    return this.#withAccount(wanted, (context) =>
      addSatellite(context, name, {
        virtualAccount: wanted.virtualAccount,
        terms: wanted.terms ?? {},
        tlsNames: wanted.tlsNames ?? null,
      }),
    )
  }

  /** Creates another enrollment code for the first online exchange. @throws LicensingError NOT_FOUND */
  createEnrollmentCode(
    name: string,
    where: AccountSelector = {},
  ): Promise<{ name: string; code: string; expiresAt: string }> {
    return this.#withAccount(where, (context) => createEnrollmentCode(context, name))
  }

  /** Assigns another virtual account to a satellite. @throws LicensingError NOT_FOUND, VIRTUAL_ACCOUNT_* */
  addVirtualAccount(
    name: string,
    virtualAccount: string,
    where: AccountSelector = {},
  ): Promise<SatelliteDocument> {
    return this.#withAccount(where, (context) => addSatelliteVirtualAccount(context, name, virtualAccount))
  }

  list(where: AccountSelector = {}): Promise<SatelliteDocument[]> {
    return this.#withAccount(where, listSatellites)
  }

  /**
   * Changes the terms and TLS names of a satellite.
   *
   * @param changed.tlsNames null for the names that the satellite requests, undefined for no change
   * @throws LicensingError NOT_FOUND, INVALID_ARGUMENT, TLS_NAME_OF_MANAGER
   */
  configure(
    name: string,
    changed: Partial<SatelliteTerms> & { tlsNames?: readonly string[] | null },
    where: AccountSelector = {},
  ): Promise<SatelliteDocument> {
    const { tlsNames, ...terms } = changed
    return this.#withAccount(where, (context) => configureSatellite(context, name, terms, tlsNames))
  }

  /** @throws LicensingError NOT_FOUND */
  remove(name: string, where: AccountSelector = {}): Promise<SatelliteDocument> {
    return this.#withAccount(where, (context) => removeSatellite(context, name))
  }

  /**
   * Answers a request that an administrator has transferred as a file. The administrator vouches for the satellite.
   *
   * @throws LicensingError SIGNED_FILE_*, SATELLITE_*, SYNC_*, ENROLLMENT_CODE_INVALID. Nothing has changed then
   */
  async respond(text: string): Promise<SyncResponse> {
    requireRole(this.#context, 'manager', 'synchronization requests are answered')
    const read = verifySyncRequest(text)
    return this.#withExchange(read.request.smartAccount, (context) => respondToSync(context, read, 'offline'))
  }

  /**
   * Answers a request that arrived over the network. Refusals are signed answers.
   *
   * @throws LicensingError SIGNED_FILE_*, WRONG_ROLE, NOT_FOUND, which get no signed answer
   */
  async respondOnline(text: string): Promise<string> {
    requireRole(this.#context, 'manager', 'synchronization requests are answered')
    if (text.length > MAX_FIRST_REQUEST_BYTES && !(await this.#namesKnownKey(text)))
      throw new LicensingError(
        'REQUEST_MALFORMED',
        'The request is too long for the first request of a satellite.',
      )
    const read = verifySyncRequest(text)
    return this.#withExchange(read.request.smartAccount, async (context) => {
      try {
        return (await withSavepoint(context.tx, () => respondToSync(context, read, 'online'))).file
      } catch (error) {
        // A refusal has changed nothing, because of the savepoint. Any other error rolls back the transaction.
        if (!(error instanceof LicensingError) || error.kind !== 'refusal') throw error
        return createRefusal(context, read, error)
      }
    })
  }

  /**
   * Returns true if a proof is for this manager and was made by one of its satellites. @throws LicensingError
   * WRONG_ROLE
   */
  async isKnown({ manager, account, key }: SyncProof): Promise<boolean> {
    requireRole(this.#context, 'manager', 'synchronization requests are answered')
    return manager === this.#context.credentials.keyRing.identity.id && (await this.#isKnownKey(account, key))
  }

  /** Returns true if a request names the key of a satellite. Larger requests are accepted only from known keys. */
  async #namesKnownKey(text: string): Promise<boolean> {
    const head = text.slice(0, 4096)
    const [, key] = /^Satellite key: +(\S+)$/m.exec(head) ?? []
    const [, account] = /^Smart account: +(\S+)$/m.exec(head) ?? []
    return key !== undefined && account !== undefined && this.#isKnownKey(account, key)
  }

  async #isKnownKey(account: string, key: string): Promise<boolean> {
    try {
      return await this.#context.withAccount({ account }, async ({ tx, account: { id } }) => {
        const found = await tx
          .selectFrom('satellites')
          .select('id')
          .where('account_id', '=', id)
          .where('key', '=', key)
          .executeTakeFirst()
        return found !== undefined
      })
    } catch (error) {
      if (error instanceof LicensingError && error.resource === 'smart-account') return false
      throw error
    }
  }

  #withExchange<T>(account: string, work: (context: AccountContext) => Promise<T>): Promise<T> {
    return this.#context.withAccount({ account }, async (context) => {
      const done = await work(context)
      await TimeFloor.raise(context.tx, context.at)
      return done
    })
  }

  async #withAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T> {
    requireRole(this.#context, 'manager', 'satellites are managed')
    return this.#context.withAccount({ account: where.account }, work)
  }
}
