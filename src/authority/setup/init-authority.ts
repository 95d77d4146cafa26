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
import { resolveProfile } from '../inventory/stored-profile.ts'
import { Credentials } from '../keys/credentials.ts'
import { saveManagerEndpoint } from '../satellite-sync/sync-service.ts'
import { initializeSync } from '../satellite-sync/sync-repository.ts'
import { checkSatelliteName } from '../satellites/satellites.ts'
import { AuthorityStore, saveDatabaseUrl, readSetting } from '../store/store.ts'

/** What an authority is made of. */
export interface InitOptions {
  readonly dataDir: string
  readonly account: string
  readonly acceptAgreement: boolean
  readonly test?: boolean
  readonly clock?: Clock
  /** The PostgreSQL database that its data is in, `postgres://…`: its data directory names it from then on. */
  readonly database?: string | undefined
  /** The product whose licenses it gives, stored with its data; the shipped conferencing profile unless given. */
  readonly profile?: ProfileInput | undefined
  readonly satellite?: {
    /** The name that it was added under at its manager. */
    readonly name: string
    /** The manager's root: PEM; the first answer brings it otherwise. */
    readonly trust?: string | undefined
    /** The one-time code of `satellite add`, for a first exchange by wire. */
    readonly code?: string | undefined
    /** How it reaches its manager; by hand without. */
    readonly manager?: TransportSettings | undefined
  }
}

/**
 * Makes an authority with its first smart account, whose license agreement is accepted with it (R-ACC-8): a manager, or a
 * satellite, which gets what it gives from its manager.
 *
 * @throws LicensingError DATA_DIR_EXISTS, AGREEMENT_NOT_ACCEPTED, INVALID_ARGUMENT, TRUST_ANCHOR_INVALID, CODE_*, STORE_*
 */
export async function initAuthority(options: InitOptions): Promise<void> {
  if (!options.acceptAgreement) {
    throw new LicensingError('AGREEMENT_NOT_ACCEPTED', 'The license agreement was not accepted.', {
      remedy: 'Give --accept-agreement, or ask someone with the authority to do so.',
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
          `There is an authority in ${database === undefined ? options.dataDir : 'that database'} already.`,
        )
      }
      if (database !== undefined) saveDatabaseUrl(options.dataDir, database)
      await resolveProfile(tx, { profile: options.profile }, at)
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
