import { randomUUID } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import { LicensingError } from '../../core/errors.ts'
import type { ProfileInput } from '../../core/profile.ts'
import { systemClock } from '../../core/system-clock.ts'
import { ChainError, parseRoots } from '../../pki/chain-validation.ts'
import { parseEnrollmentCode } from '../../protocol/enrollment.ts'
import { ensurePrivateDirectory } from '../../storage/private-files.ts'
import type { TransportSettings } from '../../transports/transport.ts'
import { addAccount } from '../inventory/accounts.ts'
import { StoredProfile } from '../inventory/stored-profile.ts'
import { Credentials } from '../keys/credentials.ts'
import { saveManagerEndpoint } from '../satellite-sync/sync-service.ts'
import { initializeSync } from '../satellite-sync/sync-repository.ts'
import { checkSatelliteName } from '../satellites/satellites.ts'
import { AuthorityStore, saveDatabaseUrl, readSetting } from '../store/store.ts'

/** Options of a new authority. */
export interface InitOptions {
  readonly dataDir: string
  readonly account: string
  readonly acceptAgreement: boolean
  readonly test?: boolean
  readonly clock?: Clock
  /** The URL of a PostgreSQL database, `postgres://…`. It is stored in the data directory. */
  readonly database?: string | undefined
  /** The profile of the product whose licenses the authority issues. The default is the conferencing profile. */
  readonly profile?: ProfileInput | undefined
  readonly satellite?: {
    /** The name of the satellite at its manager. */
    readonly name: string
    /** The manager's root as PEM. Without it the first answer supplies the root. */
    readonly trust?: string | undefined
    /** The enrollment code of `satellite add`, for an online first exchange. */
    readonly code?: string | undefined
    /** The connection to the manager. Without it synchronization is offline (by files). */
    readonly manager?: TransportSettings | undefined
  }
}

/**
 * Creates an authority with its first smart account, whose license agreement is accepted with it (R-ACC-8). The
 * authority is a manager, or a satellite that gets its licenses from its manager.
 *
 * @throws LicensingError DATA_DIR_EXISTS, AGREEMENT_NOT_ACCEPTED, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, CODE_*,
 * STORE_*
 */
export async function initAuthority(options: InitOptions): Promise<void> {
  if (!options.acceptAgreement) {
    throw new LicensingError('AGREEMENT_NOT_ACCEPTED', 'The license agreement was not accepted.', {
      remedy: 'Pass --accept-agreement, or ask someone who is authorized to accept it.',
    })
  }
  const { satellite, test = false, database } = options
  const name = satellite && checkSatelliteName(satellite.name)
  const root = satellite?.trust === undefined ? null : checkRoot(satellite.trust)
  const code = satellite?.code === undefined ? null : parseEnrollmentCode(satellite.code)
  ensurePrivateDirectory(options.dataDir)
  const at = (options.clock ?? systemClock).wall()
  const store = await AuthorityStore.open(options.dataDir, database)
  try {
    await store.transaction(async (tx) => {
      if ((await readSetting(tx, 'authority')) !== null) {
        throw new LicensingError(
          'DATA_DIR_EXISTS',
          `An authority already exists in ${database === undefined ? options.dataDir : 'that database'}.`,
        )
      }
      if (database !== undefined) saveDatabaseUrl(options.dataDir, database)
      await StoredProfile.load(tx, { profile: options.profile }, at)
      const { domain } = await addAccount(tx, options.account, at)
      const facts = { id: randomUUID(), account: domain, test }
      if (name === undefined) {
        await Credentials.create(options.dataDir, tx, { ...facts, role: 'manager', at })
        return
      }
      const credentials = await Credentials.createSatellite(options.dataDir, tx, { ...facts, root })
      await initializeSync(tx, {
        name,
        code: code === null ? null : credentials.secrets.encryptSecret(code),
        at,
      })
      if (satellite?.manager) await saveManagerEndpoint(tx, credentials, satellite.manager)
    })
  } finally {
    await store.close()
  }
}

/** @throws LicensingError TRUST_ANCHOR_INVALID */
function checkRoot(pem: string): string {
  try {
    parseRoots(pem)
    return pem
  } catch (error) {
    if (!(error instanceof ChainError)) throw error
    throw new LicensingError('TRUST_ANCHOR_INVALID', `The root certificate cannot be used: ${error.message}.`)
  }
}
