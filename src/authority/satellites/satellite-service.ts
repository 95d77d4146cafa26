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

/** A manager's satellites, for its people: added, seen, answered, removed (R-SAT-1 to R-SAT-4, R-ACC-5). */
export class SatelliteService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * @param wanted.tlsNames the names its TLS certificates may be for; without any, those it asks for
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

  /** Another one-time code for a first exchange by wire. @throws LicensingError NOT_FOUND */
  createEnrollmentCode(
    name: string,
    where: AccountSelector = {},
  ): Promise<{ name: string; code: string; expiresAt: string }> {
    return this.#withAccount(where, (context) => createEnrollmentCode(context, name))
  }

  /** Gives a satellite a further virtual account. @throws LicensingError NOT_FOUND, VIRTUAL_ACCOUNT_* */
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
   * @param changed.tlsNames null leaves them to the satellite; left out, they stay
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
   * Answers a request that was carried here: whoever does so answers for its satellite.
   *
   * @throws LicensingError SIGNED_FILE_*, SATELLITE_*, SYNC_*, ENROLLMENT_CODE_INVALID: nothing was changed
   */
  async respond(text: string): Promise<SyncResponse> {
    requireRole(this.#context, 'manager', 'answers are made')
    const read = verifySyncRequest(text)
    return this.#withExchange(read.request.smartAccount, (context) => respondToSync(context, read, 'offline'))
  }

  /**
   * Answers a request that came by wire. What is refused is refused in a signed answer.
   *
   * @throws LicensingError SIGNED_FILE_*, WRONG_ROLE, NOT_FOUND: what gets no signed answer
   */
  async respondOnline(text: string): Promise<string> {
    requireRole(this.#context, 'manager', 'answers are made')
    if (text.length > MAX_FIRST_REQUEST_BYTES && !(await this.#namesKnownKey(text)))
      throw new LicensingError(
        'REQUEST_MALFORMED',
        'The request is far too long for a satellite that is not known.',
      )
    const read = verifySyncRequest(text)
    return this.#withExchange(read.request.smartAccount, async (context) => {
      try {
        return (await withSavepoint(context.tx, () => respondToSync(context, read, 'online'))).file
      } catch (error) {
        // What is refused has changed nothing; whatever else went wrong undoes the transaction.
        if (!(error instanceof LicensingError) || error.kind !== 'refusal') throw error
        return createRefusal(context, read, error)
      }
    })
  }

  /** Whether a proof is for this manager, and its key is that of a satellite. @throws LicensingError WRONG_ROLE */
  async isKnown({ manager, account, key }: SyncProof): Promise<boolean> {
    requireRole(this.#context, 'manager', 'answers are made')
    return manager === this.#context.credentials.keyRing.identity.id && (await this.#isKnownKey(account, key))
  }

  /** Whether a request names a key that is known, before more work is done for it than for anybody's. */
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
    requireRole(this.#context, 'manager', 'satellites are kept')
    return this.#context.withAccount({ account: where.account }, work)
  }
}
