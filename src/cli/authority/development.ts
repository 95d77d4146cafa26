import { join } from 'node:path'
import type { Authority as OpenAuthority } from '../../authority/authority.ts'
import { LicensingError } from '../../core/errors.ts'
import { replaceFile } from '../../storage/atomic-file.ts'
import type { ProductProfile } from '../../core/profile.ts'
import type { AuthorityCli } from './authority-cli.ts'

/** Smart account of an authority for development. */
const ACCOUNT = 'development.example'
/** Licenses of each entitlement tag, more than a product under development uses. */
const QUANTITY = 100
const TOKEN_DAYS = 365
const TOKEN_USES = 1_000

/** Files that a device under development needs. */
export interface DevelopmentFiles {
  /** Root certificate for the agent's option `trust`. */
  readonly trustFile: string
  readonly tokenFile: string
}

/**
 * Creates the authority for a product under development, unless it exists: a test authority with licenses of each tag, its
 * root certificate and a registration token as files in the data directory. A changed profile replaces the stored one.
 *
 * @throws LicensingError USAGE if the data directory has an authority that is not for tests, PROFILE_TAG_IN_USE, STORE_*
 */
export async function prepareDevelopment(
  { dataDir, database }: AuthorityCli,
  profile: ProductProfile | null,
): Promise<DevelopmentFiles> {
  const directory = dataDir()
  const { Authority } = await import('../../authority/authority.ts')
  const isNew = await Authority.init({
    dataDir: directory,
    account: ACCOUNT,
    acceptAgreement: true,
    test: true,
    database: database(),
    ...(profile && { profile }),
  }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof LicensingError && error.code === 'DATA_DIR_EXISTS') return false
      throw error
    },
  )
  const authority = await Authority.open({
    dataDir: directory,
    database: database(),
    ...(profile && { profile, replaceProfile: true }),
  })
  try {
    if (!authority.security.identity.test)
      throw new LicensingError('USAGE', `The authority in ${directory} is not for development.`, {
        remedy: 'Name another directory with --data-dir, or leave out --development.',
      })
    await orderMissingLicenses(authority)
    const files = { trustFile: join(directory, 'root.pem'), tokenFile: join(directory, 'registration-token') }
    if (!isNew) return files
    const { token } = await authority.tokens.create({ days: TOKEN_DAYS, maxUses: TOKEN_USES })
    replaceFile(files.trustFile, authority.trustAnchor())
    replaceFile(files.tokenFile, `${token}\n`)
    return files
  } finally {
    await authority.close()
  }
}

/** Orders licenses of each tag that has none. */
async function orderMissingLicenses(authority: OpenAuthority): Promise<void> {
  const owned = new Set((await authority.licenses.list()).map(({ tag }) => tag))
  for (const { tag } of authority.licenses.profile.current.tags)
    if (!owned.has(tag)) await authority.orders.create({ tag, quantity: QUANTITY })
}
